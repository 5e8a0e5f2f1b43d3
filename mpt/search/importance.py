"""The importance of a study's hyper-parameters for its ARG, estimated from its trials."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import optuna

from mpt.search.trial import Trial
from mpt.study.space import LogRange
from mpt.study.study import Study

FEWEST = 4
"""The fewest finished trials that importances are estimated from."""


def importance(study: Study, trials: Sequence[Trial]) -> dict[str, float]:
    """Estimate each searched dimension's share, the largest first, by Optuna's default evaluator.

    That is PED-ANOVA (Watanabe et al. 2023): how much the values of the best trials differ from
    those of all trials. Shares sum to one even if nothing matters; with few trials they are mostly
    noise. Empty with fewer than ``FEWEST`` finished trials, or if nothing was searched.
    """
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(choice.low, choice.high, log=True)
        if isinstance(choice, LogRange)
        else optuna.distributions.CategoricalDistribution(choice)
        for name, choice in study.space.dimensions(study.method).items()
    }
    scored = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    complete = [t for t in scored if t.params.keys() >= space.keys()]
    if not space or len(complete) < FEWEST:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    in_memory = optuna.create_study(direction="maximize")
    in_memory.add_trials(
        optuna.trial.create_trial(
            params={name: trial.params[name] for name in space},
            distributions=space,
            value=trial.arg,
        )
        for trial in complete
    )
    return optuna.importance.get_param_importances(in_memory)
