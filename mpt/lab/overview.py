"""How far every study of a store is, and its best trial: counted where the trials lie.

Optuna's own summaries read every trial of every study; of two queries here, each gives a few rows
for every study.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mpt.lab.database import patient
from mpt.lab.home import Home
from mpt.lab.search import Trial
from mpt.lab.studies_store import stored

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
    if not names:
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


def _asked(storage: Any) -> tuple[list[Any], list[Any]]:
    with getattr(storage, "_backend", storage).engine.connect() as db:
        return db.exec_driver_sql(_COUNTS).all(), db.exec_driver_sql(_BEST).all()


def _trial(number: int, value: float, interval: str | None) -> Trial:
    low, high = json.loads(interval) if interval else (None, None)
    return Trial(number, {}, "complete", arg=value, low=low, high=high)
