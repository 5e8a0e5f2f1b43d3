"""Pruning decisions: Optuna's tests, on data that does not depend on packing or interruptions.

A decision is a function of the trial's reports up to a step and of trials with a lower number, so
that a driver that resumes after another one died decides the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import FrozenTrial

from mpt.search.visible_trials import VisibleStudy, before, reported
from mpt.study.pruning import Hyperband, Wilcoxon
from mpt.study.study import Study


def pruning_reason(
    trials: Sequence[FrozenTrial], trial: FrozenTrial, study: Study, step: int
) -> tuple[str, Mapping[str, float]]:
    """Decide whether to prune a trial by its reports up to ``step``.

    Returns:
        The reason if it is pruned, else an empty text; and the notes of Optuna's pruner on it.
    """
    match study.pruner:
        case Wilcoxon():
            seen = before(trials, trial.number, study.round)
            return _by_wilcoxon(seen, trial, study.pruner, step), {}
        case Hyperband():
            return _by_hyperband(trials, trial, study.pruner, study, step)
        case None:
            return "", {}


def _by_wilcoxon(
    seen: Sequence[FrozenTrial], trial: FrozenTrial, pruner: Wilcoxon, step: int
) -> str:
    visible = VisibleStudy(seen)
    try:
        best = visible.study.best_trial
    except ValueError:
        return ""
    shared = {
        at: gain
        for at, gain in trial.intermediate_values.items()
        if at < step and at in best.intermediate_values
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        test = optuna.pruners.WilcoxonPruner(p_threshold=pruner.p_threshold)
    if not test.prune(visible.study, reported(trial, shared, {})):
        return ""
    return (
        f"pruned after {step} scores: worse than trial {best.number} "
        f"(Wilcoxon, p < {pruner.p_threshold:g})"
    )


def _by_hyperband(
    trials: Sequence[FrozenTrial], trial: FrozenTrial, pruner: Hyperband, study: Study, step: int
) -> tuple[str, Mapping[str, float]]:
    budget = study.most_steps
    bracket = pruner.bracket(trial.number, study.seed, budget)
    rivals = [
        other
        for other in trials
        if other.number < trial.number
        and pruner.bracket(other.number, study.seed, budget) == bracket
    ]
    halving = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=pruner.lowest(budget),
        reduction_factor=pruner.reduction_factor,
        min_early_stopping_rate=bracket,
    )
    # Optuna notes that a rung was reached before it decides there, so a trial that reaches the same
    # rung again after its driver died would not be tested: pass only the notes of lower rungs
    rung = pruner.rungs(bracket, step + 1, budget).index(step)
    passed = {f"completed_rung_{below}" for below in range(rung)}
    notes = {key: value for key, value in trial.system_attrs.items() if key in passed}
    reports = {at: gain for at, gain in trial.intermediate_values.items() if at <= step}
    visible = VisibleStudy(rivals)
    visible.running(reported(trial, reports, notes))
    *_, running = visible.study.get_trials(deepcopy=False)
    is_pruned = halving.prune(visible.study, running)
    *_, running = visible.study.get_trials(deepcopy=False)
    if not is_pruned:
        return "", running.system_attrs
    return (
        f"pruned at meta-step {step}: a gain of {reports[step]:.3g} % is not among the upper "
        f"1/{pruner.reduction_factor} of bracket {bracket + 1} (Hyperband)"
    ), running.system_attrs
