"""The part of a study that is visible to one trial.

The parameters of a trial and the decision to prune it depend on this part alone, and so not on
packing, interruptions or the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mpt.search.samplers import sampler
from mpt.study.space import LogRange
from mpt.study.study import Study


@dataclass
class VisibleStudy:
    """An Optuna study in memory with the trials that are visible to one trial, and that trial.

    Attributes:
        trials: the visible trials, in the order of their numbers.
        sampler: draws the trial.
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
        """Begin a trial with the content of ``template``."""
        study = self._storage.get_study_id_from_name(self.study.study_name)
        return optuna.trial.Trial(self.study, self._storage.create_new_trial(study, template))


def draw(
    trials: Sequence[FrozenTrial], number: int, study: Study
) -> tuple[dict[str, float], dict[str, BaseDistribution]]:
    """Draw the parameters of the trial of this number.

    Args:
        trials: of the study, by number; parameters that the trial itself has already stay.
        number: of the trial; ``len(trials)`` for a new one.
        study: has the sampler and the space.

    Returns:
        The parameters and their distributions.
    """
    visible = before(trials, number, study.round)
    begun = trials[number] if number < len(trials) else create_trial(state=TrialState.RUNNING)
    template = create_trial(
        state=TrialState.RUNNING, params=begun.params, distributions=begun.distributions
    )
    dimensions = study.space.dimensions(study.method)
    if dimensions.keys() <= begun.params.keys():
        return begun.params, begun.distributions
    trial = VisibleStudy(visible, sampler(study, number, visible)).running(template)
    for name, choice in dimensions.items():
        if isinstance(choice, LogRange):
            trial.suggest_float(name, choice.low, choice.high, log=True)
        else:
            trial.suggest_categorical(name, choice)
    return trial.params, trial.distributions


def before(trials: Sequence[FrozenTrial], number: int, round_: int) -> list[FrozenTrial]:
    """Return the trials that are visible to a trial.

    Those of earlier rounds are as they ended; earlier ones of its own round appear as running, even
    if they have ended.
    """
    first, ended = number // round_ * round_, (TrialState.COMPLETE, TrialState.PRUNED)
    return [
        _running(trial) if trial.number >= first and trial.state in ended else trial
        for trial in trials
        if trial.number < number
    ]


def reported(
    trial: FrozenTrial, reports: Mapping[int, float], notes: Mapping[str, object]
) -> FrozenTrial:
    """Return a running trial with these reports and these notes of Optuna's pruner."""
    return create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=dict(reports),
        system_attrs=dict(notes),
    )


def _running(trial: FrozenTrial) -> FrozenTrial:
    running = copy(trial)
    running.state, running.values, running.datetime_complete = TrialState.RUNNING, None, None
    return running
