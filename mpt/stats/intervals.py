"""95 % intervals for an average relative gain, over tasks and seeds or over seeds alone.

Two questions have two intervals. *Would other tasks of this kind gain as much?* Tasks are a sample
from a population: ``over_tasks_and_seeds``. *Would these tasks gain as much with other seeds?*
Tasks are fixed: ``over_seeds``. Both condition on the given prompts. The variation between
meta-trainings can only be estimated from several of them: ``over_trainings_too``.

Percentile intervals are too short for so few tasks: over four or five of them they cover the true
value in 76-85 % of simulated studies instead of 95 % (tests/stats/test_intervals.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite, nan, sqrt

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Share of studies whose interval should cover the true value."""

RESAMPLES = 10_000
"""Enough that another random stream moves an end by about 2 % of the interval's width."""

ENOUGH_TASKS = 8
"""The fewest tasks for a bootstrap-t, which accounts for the skewness of gains.

With fewer, it covers no better than Student's t, and one outlying task can make it ten times as
wide.
"""

_TINY = 1e-12
"""Replaces a resampled baseline of zero, as a share of the observed one."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval from ``low`` to ``high``; both are NaN if it cannot be computed."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Tell whether both ends are finite."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def percent(self) -> Interval:
        """Return the interval of a fraction in percent."""
        return Interval(100 * self.low, 100 * self.high)


UNKNOWN = Interval(nan, nan)
"""The interval of a single task or a single seed."""


@dataclass(frozen=True, slots=True)
class Target:
    """The test scores of one target task, one per seed.

    Attributes:
        paired: both sides have the same seeds in the same order, so that resampling draws a seed's
            few-shot split for both at once.
    """

    method: tuple[float, ...]
    baseline: tuple[float, ...]
    paired: bool

    @property
    def gain(self) -> float:
        """Compute the relative gain of the means, as a fraction."""
        return float(np.mean(self.method) / np.mean(self.baseline) - 1)


def over_tasks_and_seeds(
    targets: Sequence[Target], *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """Compute an interval of the mean relative gain in the population of target tasks.

    It is a bootstrap-t (Efron and Tibshirani 1993, chapter 12): tasks are resampled and, within
    each, seeds; with ``a*`` and ``e*`` the mean and standard error over the tasks of a resample,
    the quantiles of ``(a* - a) / e*`` replace those of Student's t. With fewer than
    ``ENOUGH_TASKS`` tasks, or a single seed, it is Student's t itself with the standard error over
    tasks, which includes the noise of seeds, as every task has its own.

    Returns:
        An interval in fractions, not percent; ``UNKNOWN`` for fewer than two targets.
    """
    tasks = len(targets)
    if tasks < 2:
        return UNKNOWN
    gains = np.array([target.gain for target in targets])
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / sqrt(tasks)
    seeds = min(min(len(target.method), len(target.baseline)) for target in targets)
    if tasks < ENOUGH_TASKS or seeds < 2:
        reach = _student(tasks - 1) * error
        return Interval(mean - reach, mean + reach)
    drawn = _resampled_gains(targets, rng, resamples)
    # a resample of one task and one seed repeated has no spread, which would make t infinite
    errors = np.maximum(drawn.std(axis=1, ddof=1) / sqrt(tasks), _TINY * (abs(mean) + 1))
    below, above = np.quantile((drawn.mean(axis=1) - mean) / errors, _TAILS)
    return Interval(mean - float(above) * error, mean - float(below) * error)


def over_seeds(targets: Sequence[Target]) -> Interval:
    """Compute an interval of the mean relative gain on these targets under other seeds.

    The variance of each ratio is that of the delta method, summed over targets; the degrees of
    freedom are those of Welch and Satterthwaite.

    Returns:
        An interval in fractions; ``UNKNOWN`` if a target has a single seed on either side.
    """
    if not targets or min(min(len(t.method), len(t.baseline)) for t in targets) < 2:
        return UNKNOWN
    parts = [part for target in targets for part in _ratio_variance(target)]
    variances = np.array([variance for variance, _ in parts])
    freedoms = np.array([freedom for _, freedom in parts])
    mean = float(np.mean([target.gain for target in targets]))
    if not variances.any():
        return Interval(mean, mean)
    freedom = variances.sum() ** 2 / (variances**2 / freedoms).sum()
    reach = _student(float(freedom)) * sqrt(variances.sum()) / len(targets)
    return Interval(mean - reach, mean + reach)


def over_trainings_too(interval: Interval, mean: float, each: Sequence[float]) -> Interval:
    """Widen the interval of a mean by the variation between meta-trainings.

    Half-widths of independent parts add up in squares (MOVER, Zou and Donner 2008): those of
    ``interval``, where the meta-trainings are fixed, and that of Student's t over them. The effect
    of a meta-training on a single task is in both, so that the interval is slightly too wide.

    Args:
        interval: of ``mean``, in the same unit.
        mean: over the meta-trainings.
        each: the value of every meta-training alone, in that unit.

    Returns:
        ``interval`` itself if it is ``UNKNOWN`` or there are fewer than two meta-trainings.
    """
    if len(each) < 2 or not interval.known:
        return interval
    error = float(np.std(each, ddof=1)) / sqrt(len(each))
    reach = _student(len(each) - 1) * error
    return Interval(
        mean - hypot(mean - interval.low, reach), mean + hypot(interval.high - mean, reach)
    )


_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def _student(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, _TAILS[1]))


def _ratio_variance(target: Target) -> list[tuple[float, float]]:
    """Return variances of mean(M)/mean(B) with degrees of freedom: one part if paired, else two."""
    method, baseline = np.array(target.method), np.array(target.baseline)
    scale, ratio = baseline.mean(), method.mean() / baseline.mean()
    if target.paired:
        sides = [(method - ratio * baseline) / scale]
    else:
        sides = [method / scale, ratio * baseline / scale]
    return [(float(side.var(ddof=1)) / len(side), len(side) - 1.0) for side in sides]


def _resampled_gains(targets: Sequence[Target], rng: np.random.Generator, resamples: int) -> Array:
    """Draw ``[resamples, tasks]`` relative gains of resampled tasks with resampled seeds."""
    method, method_seeds = _table([target.method for target in targets])
    baseline, baseline_seeds = _table([target.baseline for target in targets])
    task = rng.integers(len(targets), size=(resamples, len(targets)))
    draws = rng.random((*task.shape, max(method.shape[1], baseline.shape[1])))
    above = _drawn_means(method, method_seeds, task, draws)
    if not all(target.paired for target in targets):
        paired = np.array([target.paired for target in targets])[task]
        draws = np.where(paired[..., None], draws, rng.random(draws.shape))
    below = _drawn_means(baseline, baseline_seeds, task, draws)
    floor = _TINY * np.array([np.mean(target.baseline) for target in targets])[task]
    return above / np.maximum(below, floor) - 1


def _table(rows: Sequence[tuple[float, ...]]) -> tuple[Array, NDArray[np.int64]]:
    """Return a table ``[tasks, seeds]`` padded with zeros, and the number of seeds per task."""
    counts = np.array([len(row) for row in rows])
    table = np.zeros((len(rows), counts.max()))
    for at, row in enumerate(rows):
        table[at, : len(row)] = row
    return table, counts


def _drawn_means(
    table: Array, counts: NDArray[np.int64], task: NDArray[np.int64], draws: Array
) -> Array:
    """Compute the means over as many draws, with replacement, as the task has seeds."""
    seeds = counts[task][..., None]
    uniforms = draws[..., : table.shape[1]]
    values = table[task[..., None], (uniforms * seeds).astype(np.int64)]
    if counts.min() < table.shape[1]:
        places = np.arange(counts.max(), dtype=np.int64)
        values = np.where(places < seeds, values, 0.0)
    return values.sum(axis=-1) / seeds[..., 0]
