"""Which hyper-parameters a study's ARG depended on, as far as its trials can say."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import optuna

from mpt.search.trial import Trial
from mpt.study.space import Interval
from mpt.study.study import Study

FEWEST = 4
"""Finished trials under which nothing is said."""


def importance(study: Study, trials: Sequence[Trial]) -> dict[str, float]:
    """Each searched dimension's share, the largest first, by Optuna's default evaluator.

    That is PED-ANOVA (Watanabe et al. 2023): how far the best trials' values are from all trials'.
    Shares sum to one even where nothing matters; with few trials they are mostly noise. Empty with
    fewer than ``FEWEST`` finished trials, or where nothing was searched.
    """
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(choice.low, choice.high, log=True)
        if isinstance(choice, Interval)
        else optuna.distributions.CategoricalDistribution(choice)
        for name, choice in study.space.dimensions(study.method).items()
    }
    known = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    done = [t for t in known if t.params.keys() >= space.keys()]
    if not space or len(done) < FEWEST:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    held = optuna.create_study(direction="maximize")
    held.add_trials(
        optuna.trial.create_trial(
            params={name: trial.params[name] for name in space},
            distributions=space,
            value=trial.arg,
        )
        for trial in done
    )
    return optuna.importance.get_param_importances(held)
