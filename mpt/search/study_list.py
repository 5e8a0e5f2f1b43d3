"""The progress, the best trial and all trials of every study in a store, by SQL.

Optuna's own summaries read every trial of every study; the two queries here return a few rows per
study. Three more return the trials of one study, reading each table once, in a tenth of the time
that Optuna takes to make its objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mpt.search.storage import find_studies
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
    SELECT trials.trial_id, trials.number, trials.state, trials.datetime_start,
        trials.datetime_complete, trial_values.value, trial_values.value_type
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
    """A study by name: the numbers of all and of complete trials, and the best trial.

    The best has the highest finite ARG, ties going to the earlier one; its parameters are not read.
    """

    name: str
    trials: int
    complete: int
    best: Trial | None


def overviews(home: Home) -> list[Overview]:
    """Summarise mpt's studies in this store, the newest first. Raises ``StoreError``."""
    storage, names = find_studies(home)
    if storage is None or not names:
        return []
    counts, best = patient(_counts_and_best, home.shown(home.studies_url))(storage)
    states: dict[str, dict[str, int]] = {name: {} for name in names}
    for name, state, count in counts:
        states.setdefault(name, {})[state] = count
    trials = {name: _trial(*rest) for name, *rest in best}
    return [
        Overview(
            name, sum(states[name].values()), states[name].get("COMPLETE", 0), trials.get(name)
        )
        for name in names
    ]


def all_trials(home: Home) -> Iterator[tuple[str, list[Trial]]]:
    """Yield mpt's studies in this store by name, the newest first, with their trials.

    One study is in memory at a time. Raises ``StoreError``.
    """
    storage, names = find_studies(home)
    if storage is None:
        return
    read = patient(_trials, home.shown(home.studies_url))
    for name in names:
        yield name, read(storage, name)


def _trials(storage: PatientStorage, name: str) -> list[Trial]:
    """Read the trials of a study, by number."""
    from optuna.trial import TrialState

    study = storage.get_study_id_from_name(name)
    with storage.rdb.engine.connect() as db:
        trials, params, attrs = (
            db.exec_driver_sql(query.format(study=study)).all()
            for query in (_TRIALS, _PARAMS, _ATTRS)
        )
    stored: dict[int, StoredTrial] = {}
    for trial_id, number, state, start, end, value, kind in trials:
        times = _time(start), _time(end)
        stored[trial_id] = StoredTrial(number, TrialState[state], *times, _ENDLESS.get(kind, value))
    # a running sweep may have added trials between the queries
    for trial_id, key, value, kind in params:
        if trial_id in stored:
            stored[trial_id].params[key] = param_of(kind, value)
    for trial_id, key, value in attrs:
        if trial_id in stored:
            stored[trial_id].user_attrs[key] = json.loads(value)
    return [trial_of(frozen) for frozen in stored.values()]


def _time(stored: str | datetime | None) -> datetime | None:
    """Convert a time from Optuna's tables: UTC without a zone, in SQLite a text."""
    time = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return time and time.replace(tzinfo=UTC)


def _counts_and_best(storage: PatientStorage) -> tuple[Sequence[Any], Sequence[Any]]:
    with storage.rdb.engine.connect() as db:
        return db.exec_driver_sql(_COUNTS).all(), db.exec_driver_sql(_BEST).all()


def _trial(number: int, value: float, interval: str | None) -> Trial:
    low, high = json.loads(interval) if interval else (None, None)
    return Trial(number, {}, "complete", arg=value, low=low, high=high)
