"""The sampler of one trial, made anew and seeded by the trial's number.

A resumed study draws new points and not the first ones again, and a trial that was asked and lost
is drawn the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import exp, log
from pkgutil import resolve_name
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from mpt.seeding import entropy
from mpt.study.samplers import SAMPLERS
from mpt.study.space import Interval
from mpt.study.study import Study

FIRST = 4
"""Trials drawn at random before a model-based sampler may use what it has seen."""


def sampler(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Make what draws the trial of this number, which may know of the trials ``seen``."""
    with warnings.catch_warnings():
        # Optuna calls multivariate TPE experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return resolve_name(SAMPLERS[study.sampler].draw)(study, number, seen)


def seed_of(study: Study, number: int) -> int:
    """Return the seed of a trial's draw."""
    return entropy("sampler", study.seed, number) % 2**32


def tpe(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Draw by tree-structured Parzen estimators of all parameters at once."""
    seed = seed_of(study, number)
    model = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=FIRST, multivariate=True, constant_liar=True
    )
    return Draw(seed, model)


def gp(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Draw by a Gaussian process."""
    seed = seed_of(study, number)
    return Draw(seed, optuna.samplers.GPSampler(seed=seed, n_startup_trials=FIRST))


def at_random(
    study: Study, number: int, seen: Sequence[FrozenTrial]
) -> optuna.samplers.BaseSampler:
    """Draw every parameter by itself."""
    return Draw(seed_of(study, number))


def qmc(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Take the point of this number of a Sobol sequence."""
    return Draw(seed_of(study, number), fixed=sobol(study, number))


def grid(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Take the first combination of the grid that no other trial holds."""
    return Draw(seed_of(study, number), fixed=_cell(study, seen))


class Draw(optuna.samplers.BaseSampler):
    """One trial's parameters: as ``fixed``, or by a model of what was seen, or at random.

    A parameter drawn at random depends on its name and on no other draw, so that a trial whose
    driver died between two parameters is completed as if it had not.
    """

    def __init__(
        self,
        seed: int,
        model: optuna.samplers.BaseSampler | None = None,
        fixed: Mapping[str, float] | None = None,
    ) -> None:
        self._seed, self._fixed = seed, fixed
        self._model = model or optuna.samplers.RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """See ``optuna.samplers.BaseSampler``."""
        return self._model.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See ``optuna.samplers.BaseSampler``."""
        return self._model.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See ``optuna.samplers.BaseSampler``."""
        if self._fixed is not None:
            return self._fixed[param_name]
        own = optuna.samplers.RandomSampler(seed=entropy(self._seed, param_name) % 2**32)
        return own.sample_independent(study, trial, param_name, param_distribution)


def sobol(study: Study, number: int) -> dict[str, float]:
    """The point of this number, from 0, of a Sobol sequence scrambled by the study's seed.

    Not Optuna's: its sampler counts points in the study, so that an ask which was interrupted
    leaves a gap, and draws the first point from another generator.
    """
    from scipy.stats.qmc import Sobol

    dimensions = study.space.dimensions(study.method)
    if not dimensions:
        return {}
    rng = entropy("sobol", study.seed) % 2**32
    points = Sobol(len(dimensions), scramble=True, rng=rng)
    (place,) = points.fast_forward(number).random(1) if number else points.random(1)
    return {
        name: _at(float(share), choice)
        for share, (name, choice) in zip(place, dimensions.items(), strict=True)
    }


def _at(share: float, choice: Interval | Sequence[float]) -> float:
    """The value ``share`` (from 0, below 1) of the way through a dimension."""
    if isinstance(choice, Interval):
        value = exp(log(choice.low) + share * log(choice.high / choice.low))
        return min(max(value, choice.low), choice.high)
    return choice[int(share * len(choice))]


def _cell(study: Study, seen: Sequence[FrozenTrial]) -> dict[str, float]:
    """The first cell of the grid that no other trial holds; one that failed holds none.

    Empty for a trial that is tried again when every cell is held: it has its own already.
    """
    held = {frozenset(trial.params.items()) for trial in seen if trial.state != TrialState.FAIL}
    return next((cell for cell in study.grid if frozenset(cell.items()) not in held), {})
