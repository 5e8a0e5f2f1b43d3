"""A study as one trial may see it, so that what it draws and whether it is pruned is a function of
the study alone: of no packing, no interruption and no clock."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState


class Seen(optuna.study.Study):
    """A study that shows some of its trials, and those perhaps not as they are by now."""

    def __init__(
        self,
        store: optuna.study.Study,
        shown: Sequence[FrozenTrial],
        sampler: optuna.samplers.BaseSampler | None = None,
    ) -> None:
        super().__init__(store.study_name, store._storage, sampler=sampler)
        self._shown = shown

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """What Optuna's samplers and pruners read trials with; they change none of them."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    @property
    def best_trial(self) -> FrozenTrial:
        """The complete trial with the highest value, the earlier of two alike."""
        done = self._get_trials(states=(TrialState.COMPLETE,))
        if not done:
            raise ValueError("No trials are completed yet.")
        return max(done, key=lambda trial: (trial.value or 0.0, -trial.number))


def before(trials: Sequence[FrozenTrial], number: int, round_: int) -> list[FrozenTrial]:
    """The trials that a trial may know of: those of earlier rounds as they ended, and those asked
    before it in its own round as still running, whether they are or not."""
    first, told = number // round_ * round_, (TrialState.COMPLETE, TrialState.PRUNED)
    return [
        _running(trial) if trial.number >= first and trial.state in told else trial
        for trial in trials
        if trial.number < number
    ]


def _running(trial: FrozenTrial) -> FrozenTrial:
    shown: Any = copy(trial)
    shown.state, shown.values = TrialState.RUNNING, None
    return shown
