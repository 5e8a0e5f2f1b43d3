"""Whether a trial is pruned: Optuna's tests, shown what does not depend on packing or interruption.

A decision is a function of the trial's reports up to a step and of trials with a lower number, so
that a driver that resumes after another one died comes to the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from mpt.search.visible_trials import VisibleStudy, before, reported
from mpt.study.pruning import Hyperband, Wilcoxon
from mpt.study.study import Study


def pruned_because(
    trials: Sequence[FrozenTrial], trial: FrozenTrial, study: Study, step: int
) -> tuple[str, Mapping[str, Any]]:
    """Decide by what a trial reported up to ``step``.

    Returns:
        Why it is pruned, or nothing if it is not, and what Optuna's pruner noted of it on the way.
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
        f"pruned after {step} scores: below trial {best.number + 1} "
        f"(Wilcoxon, p < {pruner.p_threshold:g})"
    )


def _by_hyperband(
    trials: Sequence[FrozenTrial], trial: FrozenTrial, pruner: Hyperband, study: Study, step: int
) -> tuple[str, Mapping[str, Any]]:
    most = study.most_steps
    bracket = pruner.bracket(trial.number, study.seed, most)
    rivals = [
        other
        for other in trials
        if other.number < trial.number and pruner.bracket(other.number, study.seed, most) == bracket
    ]
    halving = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=pruner.lowest(most),
        reduction_factor=pruner.reduction_factor,
        min_early_stopping_rate=bracket,
    )
    # Optuna notes that a rung was reached before it decides there, so a trial that comes to the
    # same rung again after its driver died would be let through
    rung = pruner.rungs(bracket, step + 1, most).index(step)
    passed = {f"completed_rung_{below}" for below in range(rung)}
    notes = {key: value for key, value in trial.system_attrs.items() if key in passed}
    reports = {at: gain for at, gain in trial.intermediate_values.items() if at <= step}
    visible = VisibleStudy(rivals)
    visible.running(reported(trial, reports, notes))
    *_, shown = visible.study.get_trials(deepcopy=False)
    is_pruned = halving.prune(visible.study, shown)
    *_, shown = visible.study.get_trials(deepcopy=False)
    if not is_pruned:
        return "", shown.system_attrs
    return (
        f"pruned at meta-step {step}: a gain of {reports[step]:.3g} % is not among the upper "
        f"1/{pruner.reduction_factor} of bracket {bracket + 1} (Hyperband)"
    ), shown.system_attrs
