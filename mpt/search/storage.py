"""The database of studies: opened as a store of its own, patiently, and never made by looking."""

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
"""The attribute that a study has if mpt began it."""

TABLES = frozenset(
    (
        *("studies", "study_directions", "study_system_attributes", "study_user_attributes"),
        *("trials", "trial_heartbeats", "trial_intermediate_values", "trial_params"),
        *("trial_system_attributes", "trial_user_attributes", "trial_values", "version_info"),
    )
)
"""Optuna's, in every schema that mpt opens."""

_REOPEN = (
    "DELETE FROM trial_values WHERE trial_id = {trial:d}",
    "DELETE FROM trial_intermediate_values WHERE trial_id = {trial:d}",
    "UPDATE trials SET state = 'WAITING', datetime_complete = NULL WHERE trial_id = {trial:d}",
)


def study_names(home: Home) -> list[str]:
    """The studies that mpt began in this store, the youngest first. Raises ``StoreError``."""
    return stored(home)[1]


def stored(home: Home) -> tuple[PatientStorage | None, list[str]]:
    """The storage, None where there is none yet, and the names of its studies."""
    if not is_there(home):
        return None, []
    storage = open_storage(home)
    # Optuna's own summaries would read every trial of every study
    names = [s.study_name for s in storage.get_all_studies() if DEFINITION in s.user_attrs]
    return storage, names[::-1]


def begun(home: Home) -> tuple[PatientStorage, list[str]]:
    """As ``stored``, but there must be a study. Raises ``InputError``."""
    storage, names = stored(home)
    if storage is not None and names:
        return storage, names
    raise InputError(
        f"there is no study in {home.shown(home.studies_url)} yet; begin one with "
        "`mpt sweep --method reptile`"
    )


@contextmanager
def study_lease(
    home: Home, ledger: Ledger, title: str, wait: Callable[[str], None] | None = None
) -> Iterator[Lease]:
    """Hold a study alone, among all drivers that share its store, whatever their ledgers are.

    The lease lies in the store, where ``Lease.guard`` binds what is written there to it. One in the
    ledger is held beside it, for that is where versions look that knew no other.

    Args:
        home: where the store is; made if it is not there.
        ledger: of this driver.
        title: of the study.
        wait: told for whom is waited, see ``mpt.store.lease.take``.

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


def is_there(home: Home) -> bool:
    """Whether the store exists and a study may have been begun in it; opening would make it."""
    file = sqlite_file(home.studies_url)
    return file is None or (file.exists() and not _is_half_made(home))


def open_storage(home: Home, *, make: bool = False) -> PatientStorage:
    """Open the storage that Optuna keeps studies in, which waits for a server that restarts.

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
    if is_there(home) and home.studies_url.startswith(("sqlite", "postgres")):
        is_current = _refuse_other_tables(home)
    try:
        file = sqlite_file(home.studies_url)
        if make and file and not file.exists():
            with made_beside(file) as new:
                optuna.storages.RDBStorage(sqlite_url(new)).engine.dispose()
        # of drivers that make the tables of a server at once, all but one look again
        storage = at_once(optuna.storages.RDBStorage)(
            home.studies_url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": waits},
            # a reader must not put tables into a file that may be another tool's
            skip_table_creation=is_file and not make,
            # Optuna would import all its migrations to see the same again
            skip_compatibility_check=is_current,
        )
    except Exception as error:
        # Optuna lets through whatever driver, URL parser or schema check fails
        text = str(error.__cause__ or error)
        cause = text.splitlines()[0] if text else type(error).__name__
        cure = "it must be a database of its own, shared with neither MLflow nor the ledger"
        if "readonly" in cause:
            cure = READ_ONLY
        if "malformed" in cause:
            cure = f"{DAMAGED}: its trials are drawn again, and the ledger keeps what they computed"
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened ({cause}); {cure}"
        ) from None
    return PatientStorage(storage, home.shown(home.studies_url))


def reopen(storage: PatientStorage, keys: Sequence[int]) -> None:
    """Let finished trials wait again; Optuna has no way back from a finished trial."""
    with storage.rdb.engine.begin() as db:
        for key in keys:
            for statement in _REOPEN:
                db.exec_driver_sql(statement.format(trial=key))


def _refuse_other_tables(home: Home) -> bool:
    """Return whether the tables are known to be of the schema that this Optuna needs.

    Raises:
        StoreError: Optuna would put its tables beside another tool's, or has others of its own.
    """
    seen = _survey(home)
    found = seen.tables
    if "studies" in found and (
        fault := schema_fault(home.studies_url, "MPT_STUDIES_URL", OPTUNA, seen.revision)
    ):
        raise StoreError(schema_error("studies store", home.studies_url, fault))
    if found and "studies" not in found and not _are_optunas(found):
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened (it holds the "
            f"table {min(found)!r} of another tool); it must be a database of its own, shared with "
            "neither MLflow nor the ledger: set MPT_STUDIES_URL"
        )
    return "studies" in found and bool(seen.revision)


def _is_half_made(home: Home) -> bool:
    """Whether a file was left by a driver that died while Optuna made its tables, the version last:
    no study was begun in it, and the next driver makes the rest."""
    found = _tables(home)
    return VERSION not in found and (not found or _are_optunas(found))


def _are_optunas(tables: frozenset[str]) -> bool:
    return tables != {VERSION} and tables <= {*TABLES, VERSION}


def _tables(home: Home) -> frozenset[str]:
    return _survey(home).tables


def _survey(home: Home) -> Survey:
    return survey(home.studies_url, "studies store", "MPT_STUDIES_URL", timeout=60.0)
