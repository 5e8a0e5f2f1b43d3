"""The sampler of one trial, created for each trial and seeded by the trial's number.

A resumed study therefore draws new points and not the first ones again, and a trial that was lost
before it was stored is drawn again the same.
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
from mpt.study.space import LogRange
from mpt.study.study import Study

FIRST = 4
"""Trials drawn at random before a model-based sampler uses its model."""


def sampler(study: Study, number: int, seen: Sequence[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """Return the sampler of the trial of this number, which may use the trials ``seen``."""
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
    """Take the first combination of the grid without a trial."""
    return Draw(seed_of(study, number), fixed=_cell(study, seen))


class Draw(optuna.samplers.BaseSampler):
    """Draws one trial's parameters: as ``fixed``, by a model of earlier trials, or at random.

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
    ) -> dict[str, object]:
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
        random = optuna.samplers.RandomSampler(seed=entropy(self._seed, param_name) % 2**32)
        return random.sample_independent(study, trial, param_name, param_distribution)


def sobol(study: Study, number: int) -> dict[str, float]:
    """Return the point of this number, from 0, of a Sobol sequence scrambled by the study's seed.

    Optuna's sampler is not used: it counts points in the study, so that an interrupted ask leaves a
    gap, and it draws the first point from another generator.
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


def _at(share: float, choice: LogRange | Sequence[float]) -> float:
    """Return the value at a fraction ``share`` (0 <= share < 1) of a dimension."""
    if isinstance(choice, LogRange):
        value = exp(log(choice.low) + share * log(choice.high / choice.low))
        return min(max(value, choice.low), choice.high)
    return choice[int(share * len(choice))]


def _cell(study: Study, seen: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return the first cell of the grid without a trial; failed trials do not count.

    The result is empty if every cell has a trial, which happens only for a retried trial: that has
    its parameters already.
    """
    taken = {frozenset(trial.params.items()) for trial in seen if trial.state != TrialState.FAIL}
    return next((cell for cell in study.grid if frozenset(cell.items()) not in taken), {})
