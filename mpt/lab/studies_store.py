"""The database of studies: opened as a store of its own, patiently, and never made by looking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpt.errors import InputError, StoreError
from mpt.lab.database import at_once, patient, survey
from mpt.lab.home import Home

DEFINITION = "mpt.definition"
"""The attribute that a study has if mpt began it."""

_INNER = ("_get_trials", "_create_new_trial", "_set_trial_param", "_get_best_trial_id")
"""What Optuna's cache calls behind the storage's public face."""


def study_names(home: Home) -> list[str]:
    """The studies that mpt began in this store, the youngest first. Raises ``StoreError``."""
    return stored(home)[1]


def stored(home: Home) -> tuple[Any, list[str]]:
    """The storage, None where there is none yet, and the names of its studies."""
    if not is_there(home):
        return None, []
    storage = open_storage(home)
    # Optuna's own summaries would read every trial of every study
    own = [study for study in storage.get_all_studies() if DEFINITION in study.user_attrs]
    own.sort(key=lambda study: -study._study_id)
    return storage, [study.study_name for study in own]


def begun(home: Home) -> tuple[Any, list[str]]:
    """As ``stored``, but there must be a study. Raises ``InputError``."""
    storage, names = stored(home)
    if names:
        return storage, names
    raise InputError(
        f"there is no study in {home.shown(home.studies_url)} yet; begin one with "
        "`mpt sweep --method reptile`"
    )


def is_there(home: Home) -> bool:
    """Whether the store exists; looking into it would make it."""
    place = home.studies_url.partition("?")[0]
    return not place.startswith("sqlite") or Path(place.partition(":///")[2]).exists()


def open_storage(home: Home, *, make: bool = False) -> Any:
    """The storage that Optuna keeps studies in, with its cache.

    Raises:
        StoreError: it cannot be opened, or holds the tables of another tool.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # SQLite: wait for a lock rather than fail; servers: notice a dropped connection
    is_file = home.studies_url.startswith("sqlite")
    waits = {"timeout": 60} if is_file else {}
    if make and is_there(home) and home.studies_url.startswith(("sqlite", "postgres")):
        _refuse_other_tables(home)
    try:
        # of drivers that make the tables of a server at once, all but one look again
        storage = at_once(optuna.storages.RDBStorage)(
            home.studies_url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": waits},
            # a reader must not put tables into a file that may be another tool's
            skip_table_creation=is_file and not make,
        )
    except Exception as error:
        # Optuna lets through whatever driver, URL parser or schema check fails
        text = str(error.__cause__ or error)
        cause = text.splitlines()[0] if text else type(error).__name__
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened ({cause}); it must "
            "be a database of its own, shared with neither MLflow nor the ledger"
        ) from None
    # a server that restarts in mid-sweep is waited for
    for name in (*optuna.storages.BaseStorage.__abstractmethods__, *_INNER):
        setattr(storage, name, patient(getattr(storage, name), home.shown(home.studies_url)))
    return optuna.storages.get_storage(storage)


def _refuse_other_tables(home: Home) -> None:
    """Raise ``StoreError`` where Optuna would put its tables beside another tool's."""
    found = survey(home.studies_url, "studies store", "MPT_STUDIES_URL", timeout=60.0).tables
    if found and "studies" not in found:
        raise StoreError(
            f"the studies store {home.shown(home.studies_url)} cannot be opened (it holds the "
            f"table {min(found)!r} of another tool); it must be a database of its own, shared with "
            "neither MLflow nor the ledger: set MPT_STUDIES_URL"
        )
