"""A study as one trial may see it, so that what it draws and whether it is pruned is a function of
the study alone: of no packing, no interruption and no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mpt.search.samplers import sampler
from mpt.study.space import Interval
from mpt.study.study import Study


@dataclass
class VisibleStudy:
    """A study of Optuna's in memory: the trials that one trial may know of, and that trial.

    Attributes:
        trials: in the order of their numbers.
        sampler: of the trial that is drawn.
    """

    trials: Sequence[FrozenTrial]
    sampler: optuna.samplers.BaseSampler | None = None
    study: optuna.Study = field(init=False)

    def __post_init__(self) -> None:
        self._storage = optuna.storages.InMemoryStorage()
        self.study = optuna.create_study(
            storage=self._storage, sampler=self.sampler, direction="maximize"
        )
        self.study.add_trials(self.trials)

    def running(self, template: FrozenTrial) -> optuna.trial.Trial:
        """Begin a trial that has what ``template`` has."""
        study = self._storage.get_study_id_from_name(self.study.study_name)
        return optuna.trial.Trial(self.study, self._storage.create_new_trial(study, template))


def draw(
    known: Sequence[FrozenTrial], number: int, study: Study
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Return the parameters of the trial of this number and what they were drawn from.

    Args:
        known: trials of the study by number; parameters that the trial itself has already stay.
        number: of the trial; ``len(known)`` for a new one.
        study: whose sampler draws.
    """
    seen = before(known, number, study.round)
    begun = known[number] if number < len(known) else create_trial(state=TrialState.RUNNING)
    template = create_trial(
        state=TrialState.RUNNING, params=begun.params, distributions=begun.distributions
    )
    dimensions = study.space.dimensions(study.method)
    if dimensions.keys() <= begun.params.keys():
        return begun.params, begun.distributions
    trial = VisibleStudy(seen, sampler(study, number, seen)).running(template)
    for name, choice in dimensions.items():
        if isinstance(choice, Interval):
            trial.suggest_float(name, choice.low, choice.high, log=True)
        else:
            trial.suggest_categorical(name, choice)
    return trial.params, trial.distributions


def before(trials: Sequence[FrozenTrial], number: int, round_: int) -> list[FrozenTrial]:
    """Return the trials that a trial may know of.

    Those of earlier rounds are as they ended; those asked before it in its own round still run,
    whether they do or not.
    """
    first, ended = number // round_ * round_, (TrialState.COMPLETE, TrialState.PRUNED)
    return [
        _running(trial) if trial.number >= first and trial.state in ended else trial
        for trial in trials
        if trial.number < number
    ]


def reported(
    trial: FrozenTrial, reports: Mapping[int, float], notes: Mapping[str, Any]
) -> FrozenTrial:
    """Return a running trial that reported this much and has these notes of Optuna's."""
    return create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=dict(reports),
        system_attrs=dict(notes),
    )


def _running(trial: FrozenTrial) -> FrozenTrial:
    shown = copy(trial)
    shown.state, shown.values, shown.datetime_complete = TrialState.RUNNING, None, None
    return shown
