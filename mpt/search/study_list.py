"""How far every study of a store is, its best trial and all its trials: read where they lie.

Optuna's own summaries read every trial of every study; of two queries here, each gives a few rows
for every study. Three more give the trials of one study, each table read once, in a tenth of the
time that Optuna takes to make objects of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mpt.search.storage import stored
from mpt.search.trial import StoredTrial, Trial, param_of, trial_of
from mpt.store.database import patient
from mpt.store.home import Home

if TYPE_CHECKING:
    from mpt.search.patient_storage import PatientStorage

_COUNTS = """
    SELECT studies.study_name, trials.state, count(*)
    FROM trials JOIN studies ON studies.study_id = trials.study_id
    GROUP BY studies.study_name, trials.state
"""
_BEST = """
    SELECT studies.study_name, ranked.number, ranked.value, trial_user_attributes.value_json
    FROM (
        SELECT trials.study_id, trials.trial_id, trials.number, trial_values.value, row_number()
            OVER (PARTITION BY trials.study_id ORDER BY trial_values.value DESC, trials.number)
            AS place
        FROM trials JOIN trial_values ON trial_values.trial_id = trials.trial_id
        WHERE trials.state = 'COMPLETE' AND trial_values.value_type = 'FINITE'
    ) AS ranked
    JOIN studies ON studies.study_id = ranked.study_id
    LEFT JOIN trial_user_attributes ON trial_user_attributes.trial_id = ranked.trial_id
        AND trial_user_attributes.key = 'interval'
    WHERE ranked.place = 1
"""
_TRIALS = """
    SELECT trials.trial_id, trials.number, trials.state, trials.datetime_complete,
        trial_values.value, trial_values.value_type
    FROM trials LEFT JOIN trial_values ON trial_values.trial_id = trials.trial_id
    WHERE trials.study_id = {study:d} ORDER BY trials.number
"""
_PARAMS = """
    SELECT trials.trial_id, param_name, param_value, distribution_json
    FROM trial_params JOIN trials ON trials.trial_id = trial_params.trial_id
    WHERE trials.study_id = {study:d} ORDER BY param_id
"""
_ATTRS = """
    SELECT trials.trial_id, key, value_json
    FROM trial_user_attributes JOIN trials ON trials.trial_id = trial_user_attributes.trial_id
    WHERE trials.study_id = {study:d}
"""
_ENDLESS = {"INF_POS": float("inf"), "INF_NEG": float("-inf")}


@dataclass(frozen=True, slots=True)
class Overview:
    """A study by its name: trials in all, those that are complete, and the best of these.

    The best has the highest finite ARG; it is the earlier one of two alike, and has no parameters.
    """

    name: str
    trials: int
    complete: int
    best: Trial | None


def overviews(home: Home) -> list[Overview]:
    """The studies that mpt began in this store, the youngest first. Raises ``StoreError``."""
    storage, names = stored(home)
    if storage is None or not names:
        return []
    counts, best = patient(_asked, home.shown(home.studies_url))(storage)
    states: dict[str, dict[str, int]] = {name: {} for name in names}
    for name, state, count in counts:
        states.setdefault(name, {})[state] = count
    trials = {name: _trial(*rest) for name, *rest in best}
    return [
        Overview(name, sum(found.values()), found.get("COMPLETE", 0), trials.get(name))
        for name, found in ((name, states[name]) for name in names)
    ]


def all_trials(home: Home) -> Iterator[tuple[str, list[Trial]]]:
    """Every study that mpt began in this store by name, the youngest first, with its trials.

    One study is in memory at a time. Raises ``StoreError``.
    """
    storage, names = stored(home)
    if storage is None:
        return
    read = patient(_trials, home.shown(home.studies_url))
    for name in names:
        yield name, read(storage, name)


def _trials(storage: PatientStorage, name: str) -> list[Trial]:
    """The trials of a study by number."""
    from optuna.trial import TrialState

    study = storage.get_study_id_from_name(name)
    with storage.rdb.engine.connect() as db:
        trials, params, attrs = (
            db.exec_driver_sql(query.format(study=study)).all()
            for query in (_TRIALS, _PARAMS, _ATTRS)
        )
    found: dict[int, StoredTrial] = {}
    for one, number, state, end, value, kind in trials:
        # SQLite keeps times as texts
        end = datetime.fromisoformat(end) if isinstance(end, str) else end
        found[one] = StoredTrial(number, TrialState[state], end, _ENDLESS.get(kind, value))
    # trials of a sweep under way may have come in between
    for one, key, value, kind in params:
        if one in found:
            found[one].params[key] = param_of(kind, value)
    for one, key, value in attrs:
        if one in found:
            found[one].user_attrs[key] = json.loads(value)
    return [trial_of(frozen) for frozen in found.values()]


def _asked(storage: PatientStorage) -> tuple[Sequence[Any], Sequence[Any]]:
    with storage.rdb.engine.connect() as db:
        return db.exec_driver_sql(_COUNTS).all(), db.exec_driver_sql(_BEST).all()


def _trial(number: int, value: float, interval: str | None) -> Trial:
    low, high = json.loads(interval) if interval else (None, None)
    return Trial(number, {}, "complete", arg=value, low=low, high=high)
