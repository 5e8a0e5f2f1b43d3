"""Whether a trial is pruned: Optuna's tests, shown what does not depend on packing or interruption.

A verdict is a function of the trial's reports up to a step and of trials with a lower number, so
that a driver that goes on after another one died comes to the same.
"""

from __future__ import annotations

import warnings
from copy import copy
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from mpt.search.visible_trials import Seen, before
from mpt.study.pruning import Hyperband, Wilcoxon
from mpt.study.study import Study


def verdict(store: optuna.Study, trial: FrozenTrial, study: Study, step: int) -> str:
    """Why a trial is pruned by what it reported up to ``step``, or nothing if it is not."""
    trials = store.get_trials(deepcopy=False)
    match study.pruner:
        case Wilcoxon():
            seen = Seen(store, before(trials, trial.number, study.round))
            return _by_wilcoxon(seen, trial, study.pruner, step)
        case Hyperband():
            return _by_hyperband(store, trials, trial, study, step)
        case None:
            return ""


def _by_wilcoxon(seen: Seen, trial: FrozenTrial, pruner: Wilcoxon, step: int) -> str:
    try:
        best = seen.best_trial
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
    if not test.prune(seen, _showing(trial, shared, {})):
        return ""
    return (
        f"pruned after {step} scores: below trial {best.number + 1} "
        f"(Wilcoxon, p < {pruner.p_threshold:g})"
    )


def _by_hyperband(
    store: optuna.Study, trials: list[FrozenTrial], trial: FrozenTrial, study: Study, step: int
) -> str:
    pruner, most = study.pruner, study.most_steps
    assert isinstance(pruner, Hyperband)
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
    if not halving.prune(Seen(store, rivals), _showing(trial, reports, notes)):
        return ""
    return (
        f"pruned at meta-step {step}: a gain of {reports[step]:.3g} % is not among the upper "
        f"1/{pruner.reduction_factor} of bracket {bracket + 1} (Hyperband)"
    )


def _showing(trial: FrozenTrial, reports: dict[int, float], notes: dict[str, Any]) -> FrozenTrial:
    shown = copy(trial)
    shown.intermediate_values, shown.system_attrs = reports, notes
    return shown
