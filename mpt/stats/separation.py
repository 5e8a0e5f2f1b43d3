"""Which trials of a search are really apart: paired comparisons over (task, data seed) cells.

The validation tasks are fixed, so that a difference is significant if other data seeds of the same
tasks would show it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from mpt.stats.gain_table import Array, GainTable
from mpt.stats.intervals import LEVEL
from mpt.stats.paired import holm

POWER = 0.8
"""The chance with which the estimated number of seeds separates two trials, if the difference and
the noise are as observed."""

MOST_SEEDS = 1000
"""A difference that needs more data seeds than these counts as none."""

_TINY = 1e-12
"""A variance under this share of the common one is rounding of equal differences."""


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Compare every two trials of a table with at least two data seeds on every task.

    The variance of a difference is its own, estimated task by task, as trials may be noisy in
    different ways. Its degrees of freedom are those of Welch and Satterthwaite, with the share of
    each task in the noise taken from all trials: a single pair says too little about that, and its
    own shares would make small p-values too small.

    Attributes:
        table: the compared trials.
    """

    table: GainTable

    @cached_property
    def difference(self) -> Array:
        """Return the row's mean gain minus the column's, ``[T, T]``, in points of ARG."""
        means = self.table.means
        return means[:, None] - means[None, :]

    @cached_property
    def error(self) -> Array:
        """Return the standard errors ``[T, T]``; zero only if no trial varies at all.

        Where the differences of two trials do not vary, which happens by chance as scores are
        discrete, it is that of two trials with the common noise.
        """
        total = np.zeros_like(self.difference)
        for block in self.table.blocks:
            covariance = np.atleast_2d(np.cov(block))
            own = np.diag(covariance)
            total += (own[:, None] + own[None, :] - 2 * covariance) / block.shape[1]
        variance = total / len(self.table.tasks) ** 2
        common = 2 * float(self.noise.sum()) / len(self.table.tasks) ** 2
        return np.sqrt(np.where(variance > _TINY * common, variance, common))

    @cached_property
    def noise(self) -> Array:
        """Return ``[K]`` variances of a trial's mean on each task, averaged over the trials."""
        return np.array([residual(block) / block.shape[1] for block in self.table.blocks])

    @cached_property
    def freedom(self) -> float:
        """Return the degrees of freedom of the errors; 0 without any noise."""
        parts = np.array([block.shape[1] - 1.0 for block in self.table.blocks])
        spread = float((self.noise**2 / parts).sum())
        return float(self.noise.sum()) ** 2 / spread if spread > 0 else 0.0

    @cached_property
    def p(self) -> Array:
        """Return two-sided p-values ``[T, T]`` of no difference; 1 where there is no noise.

        Results that do not vary with the data seed at all cannot show what other seeds would do.
        """
        from scipy.special import stdtr

        if not self.freedom:
            return np.ones_like(self.difference)
        return 2 * stdtr(self.freedom, -np.abs(self.difference) / self.error)


def residual(block: Array) -> float:
    """Return the mean square of trial x seed on a task ``[T, S]``, with (T-1)(S-1) degrees."""
    trials, seeds = block.shape
    centred = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
    square = float((centred**2).sum()) / ((trials - 1) * (seeds - 1))
    # what rounding leaves of equal differences is no noise
    return square if square > 1e-20 * float((block**2).max()) else 0.0


def ranking(table: GainTable) -> list[int]:
    """Return the rows of a table by mean gain, the highest first, the earlier of equals first."""
    return sorted(range(len(table.trials)), key=lambda row: (-table.means[row], row))


def not_separated(contrasts: Contrasts) -> list[int]:
    """Return the rows that do not differ significantly from the best, by mean gain.

    Each trial is compared with the one of the highest mean; the p-values are Holm-corrected, which
    also covers that the best was chosen from the same data (multiple comparisons with the best,
    Hsu 1984: there are T - 1 of them, whichever trial is the best).
    """
    best, *others = ranking(contrasts.table)
    adjusted = holm([float(contrasts.p[best, row]) for row in others])
    return [row for row, p in zip(others, adjusted, strict=True) if not p < 1 - LEVEL]


def further_seeds(contrasts: Contrasts, first: int, second: int) -> int | None:
    """Estimate how many more data seeds would separate two trials, at the observed variance.

    With those, a t test at 95 % would find the observed difference with a chance of ``POWER``.
    The difference between the best and another one is biased upwards, so that it may take more.

    Returns:
        At least 1; None if they do not differ, nothing varies, or ``MOST_SEEDS`` more are too few.
    """
    from scipy.special import stdtrit

    seeds = len(contrasts.table.seeds)
    difference = abs(float(contrasts.difference[first, second]))
    spread = float(contrasts.error[first, second]) * sqrt(seeds)
    if not difference or not spread:
        return None
    counts = np.arange(seeds + 1, seeds + MOST_SEEDS + 1)
    freedom = np.asarray(contrasts.freedom / (seeds - 1) * (counts - 1), dtype=np.float64)
    reach = stdtrit(freedom, (1 + LEVEL) / 2) + stdtrit(freedom, POWER)
    enough = counts[reach * spread / np.sqrt(counts) <= difference]
    return int(enough[0]) - seeds if enough.size else None
