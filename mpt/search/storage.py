"""The studies store: a separate database, opened with retries, and never created by reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mpt.errors import InputError, StoreError
from mpt.files.atomic import made_beside
from mpt.store.address import sqlite_file, sqlite_url
from mpt.store.database import DAMAGED, READ_ONLY, Database, Survey, at_once, survey
from mpt.store.home import Home
from mpt.store.lease import Lease, take
from mpt.store.ledger import Ledger
from mpt.store.schema import OPTUNA, VERSION, schema_error, schema_fault
from mpt.store.tables import prepare_leases

if TYPE_CHECKING:
    from mpt.search.patient_storage import PatientStorage

DEFINITION = "mpt.definition"
"""The attribute that marks a study as one of mpt's."""

TABLES = frozenset(
    (
        *("studies", "study_directions", "study_system_attributes", "study_user_attributes"),
        *("trials", "trial_heartbeats", "trial_intermediate_values", "trial_params"),
        *("trial_system_attributes", "trial_user_attributes", "trial_values", "version_info"),
    )
)
"""Optuna's tables, in every schema that mpt opens."""

_REOPEN = (
    "DELETE FROM trial_values WHERE trial_id = {trial:d}",
    "DELETE FROM trial_intermediate_values WHERE trial_id = {trial:d}",
    "UPDATE trials SET state = 'WAITING', datetime_complete = NULL WHERE trial_id = {trial:d}",
)


def study_names(home: Home) -> list[str]:
    """List mpt's studies in this store, the newest first. Raises ``StoreError``."""
    return find_studies(home)[1]


def find_studies(home: Home) -> tuple[PatientStorage | None, list[str]]:
    """Return the storage, None if it does not exist yet, and the names of its studies."""
    if not store_exists(home):
        return None, []
    storage = open_storage(home)
    # Optuna's own summaries would read every trial of every study
    names = [s.study_name for s in storage.get_all_studies() if DEFINITION in s.user_attrs]
    return storage, names[::-1]


def expect_studies(home: Home) -> tuple[PatientStorage, list[str]]:
    """Return what ``find_studies`` does. Raises ``InputError`` if there is no study."""
    storage, names = find_studies(home)
    if storage is not None and names:
        return storage, names
    raise InputError(
        f"there is no study in {home.shown(home.studies_url)} yet",
        fix="begin one with `mpt sweep --method reptile`",
    )


@contextmanager
def study_lease(
    home: Home, ledger: Ledger, title: str, wait: Callable[[str], None] | None = None
) -> Iterator[Lease]:
    """Hold a study exclusively, among all drivers that share its store, whatever their ledgers.

    The lease is in the studies store, where ``Lease.guard`` makes writes depend on it. A second one
    is held in the ledger, because earlier versions of mpt look for it there.

    Args:
        home: of the store, which is created if it does not exist.
        ledger: of this driver.
        title: of the study.
        wait: called with the holder while waiting, see ``mpt.store.lease.take``.

    Raises:
        StoreError: another driver holds the study, or the store cannot be opened.
    """
    name = f"study:{title}"
    open_storage(home, make=True)
    with ledger.lease(name, wait=wait) as beside:
        if not home.studies_url.startswith(("sqlite", "postgres")):
            yield beside
            return
        database = Database(home.studies_url, "studies store", "MPT_STUDIES_URL", is_ledger=False)
        try:
            database.do(prepare_leases)
            with take(database, name, wait=wait, beside=beside) as lease:
                yield lease
        finally:
            database.close()


def store_exists(home: Home) -> bool:
    """Tell whether the store exists and may have a study, without creating it."""
    file = sqlite_file(home.studies_url)
    return file is None or (file.exists() and not _is_half_made(home))


def open_storage(home: Home, *, make: bool = False) -> PatientStorage:
    """Open the storage that Optuna keeps studies in; its calls wait for a server that restarts.

    Raises:
        StoreError: it cannot be opened, or holds the tables of another tool.
    """
    import optuna

    from mpt.search.patient_storage import PatientStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # SQLite: wait for a lock rather than fail; servers: notice a dropped connection
    is_file = home.studies_url.startswith("sqlite")
    waits = {"timeout": 60} if is_file else {}
    is_current = False
    if store_exists(home) and home.studies_url.startswith(("sqlite", "postgres")):
        is_current = _refuse_other_tables(home)
    try:
        file = sqlite_file(home.studies_url)
        if make and file and not file.exists():
            with made_beside(file) as new:
                optuna.storages.RDBStorage(sqlite_url(new)).engine.dispose()
        # of several drivers that create a server's tables at once, all but one open it again
        storage = at_once(optuna.storages.RDBStorage)(
            home.studies_url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": waits},
            # a reader must not create tables in a file that may be another tool's
            skip_table_creation=is_file and not make,
            # otherwise Optuna would import all its migrations for the same check
            skip_compatibility_check=is_current,
        )
    except Exception as error:
        # Optuna lets through any error of the driver, the URL parser or the schema check
        text = str(error.__cause__ or error)
        cause = text.splitlines()[0] if text else type(error).__name__
        cure = "it must be a database of its own, shared with neither MLflow nor the ledger"
        if "readonly" in cause:
            cure = READ_ONLY
        if "malformed" in cause:
            cure = f"{DAMAGED}: its trials are drawn again, and the ledger keeps what they computed"
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened ({cause})",
            fix=f"{cure}",
        ) from None
    return PatientStorage(storage, home.shown(home.studies_url))


def reopen(storage: PatientStorage, keys: Sequence[int]) -> None:
    """Let finished trials wait again, by SQL, because Optuna cannot change a finished trial."""
    with storage.rdb.engine.begin() as db:
        for key in keys:
            for statement in _REOPEN:
                db.exec_driver_sql(statement.format(trial=key))


def _refuse_other_tables(home: Home) -> bool:
    """Return whether the tables are known to have the schema that this version of Optuna needs.

    Raises:
        StoreError: the database has another tool's tables, or those of another version of Optuna.
    """
    store_survey = _survey(home)
    tables = store_survey.tables
    if "studies" in tables and (
        fault := schema_fault(home.studies_url, "MPT_STUDIES_URL", OPTUNA, store_survey.revision)
    ):
        raise schema_error("studies store", home.studies_url, fault)
    if tables and "studies" not in tables and not _are_optunas(tables):
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened (it holds the "
            f"table {min(tables)!r} of another tool)",
            fix=(
                "it must be a database of its own, shared "
                "with neither MLflow nor the ledger: set MPT_STUDIES_URL"
            ),
        )
    return "studies" in tables and bool(store_survey.revision)


def _is_half_made(home: Home) -> bool:
    """Tell whether a driver died while Optuna created the tables, of which the version is last.

    Such a file has no study, and the next driver creates the rest.
    """
    tables = _tables(home)
    return VERSION not in tables and (not tables or _are_optunas(tables))


def _are_optunas(tables: frozenset[str]) -> bool:
    return tables != {VERSION} and tables <= {*TABLES, VERSION}


def _tables(home: Home) -> frozenset[str]:
    return _survey(home).tables


def _survey(home: Home) -> Survey:
    return survey(home.studies_url, "studies store", "MPT_STUDIES_URL", timeout=60.0)
