"""Paired comparison of two methods over (task, seed): both had the same few-shot splits.

As with intervals (``mpt.stats.intervals``) there are two questions. *Would the same tasks with
other seeds agree?* Tasks are fixed, ``among="seeds"``. *Would other tasks of this kind agree?*
Tasks are a sample from a population, ``among="tasks"``: five of them decide little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import fmean
from typing import Literal

import numpy as np

from mpt.errors import UnknownName
from mpt.stats.intervals import LEVEL, UNKNOWN, Interval
from mpt.stats.scores import Score, best_dev, by_seed


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference ``first`` - ``second``, in points of ARG (percent of the baseline's mean).

    Attributes:
        interval: 95 % interval of the difference.
        p: two-sided p value of no difference; NaN if it cannot be computed.
        tasks, pairs: the numbers of compared tasks and of compared (task, seed) cells.
    """

    first: str
    second: str
    difference: float
    interval: Interval
    p: float
    tasks: int
    pairs: int

    @property
    def distinct(self) -> bool:
        """Tell whether the two differ significantly at the level of the interval."""
        return self.p < 1 - LEVEL


def compare(
    scores: Iterable[Score],
    first: str,
    second: str,
    *,
    baseline: str = "PT",
    among: Literal["seeds", "tasks"] = "seeds",
) -> Paired:
    """Compare two methods in one setting on the cells that both have.

    A task contributes the difference of the methods' mean test scores, each seed at its best-dev
    learning rate, relative to the baseline's mean, so that the mean over tasks is a difference of
    ARGs. Tasks on which the baseline is not above zero are left out, as in ARG.

    Args:
        scores: of one setting, including those of the baseline.
        among: the source of variation that the test accounts for, see the top of this file.
            ``seeds``: t with the degrees of freedom of Welch and Satterthwaite, each task with its
            own noise. ``tasks``: t over the tasks.

    Raises:
        UnknownName: a method without any score.
    """
    chosen = list(scores)
    if len({score.setting for score in chosen}) > 1:
        raise ValueError("scores of several settings; compare them setting by setting")
    (cells,) = by_seed(best_dev(chosen)).values() or ({},)
    for name in (first, second, baseline):
        if name not in cells:
            raise UnknownName("method", name, cells)
    baseline_means = {task: fmean(tests.values()) for task, tests in cells[baseline].items()}
    differences = _differences(cells[first], cells[second], baseline_means)
    if not differences:
        return Paired(first, second, nan, UNKNOWN, nan, 0, 0)
    interval, p = _over_seeds(differences) if among == "seeds" else _over_tasks(differences)
    mean = fmean(map(fmean, differences))
    return Paired(first, second, mean, interval, p, len(differences), sum(map(len, differences)))


Tests = Mapping[str, Mapping[int, float]]
"""Test scores by task and seed; see ``by_seed``."""


def _differences(
    first: Tests, second: Tests, baseline_means: Mapping[str, float]
) -> list[list[float]]:
    """Return per task the differences in percent of the baseline, one per seed that both have."""
    differences: list[list[float]] = []
    for task in sorted(first.keys() & second.keys()):
        seeds = sorted(first[task].keys() & second[task].keys())
        if seeds and baseline_means.get(task, 0.0) > 0:
            gaps = (first[task][seed] - second[task][seed] for seed in seeds)
            differences.append([100 * gap / baseline_means[task] for gap in gaps])
    return differences


def _over_tasks(differences: Sequence[Sequence[float]]) -> tuple[Interval, float]:
    from scipy.stats import ttest_1samp

    means = [fmean(task) for task in differences]
    if len(means) < 2:
        return UNKNOWN, nan
    if np.ptp(means) == 0:
        return _exact(means[0])
    test = ttest_1samp(means, 0.0)
    ends = test.confidence_interval(LEVEL)
    return Interval(float(ends.low), float(ends.high)), float(test.pvalue)


def _over_seeds(differences: Sequence[Sequence[float]]) -> tuple[Interval, float]:
    from scipy.stats import t

    if min(map(len, differences)) < 2:
        return UNKNOWN, nan
    parts = np.array([np.var(task, ddof=1) / len(task) for task in differences])
    mean = fmean(map(fmean, differences))
    if not parts.any():
        return _exact(mean)
    freedoms = np.array([len(task) - 1.0 for task in differences])
    freedom = float(parts.sum() ** 2 / (parts**2 / freedoms).sum())
    error = sqrt(parts.sum()) / len(differences)
    low, high = t.interval(LEVEL, freedom, loc=mean, scale=error)
    return Interval(float(low), float(high)), float(2 * t.sf(abs(mean) / error, freedom))


def _exact(mean: float) -> tuple[Interval, float]:
    """Return the interval and p value if all repetitions agree, so that no noise was observed."""
    return Interval(mean, mean), 1.0 if mean == 0 else 0.0


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust p values for multiple tests (Holm 1979); NaN stays and does not count."""
    order = sorted((p, at) for at, p in enumerate(ps) if p == p)
    adjusted, worst = [nan] * len(ps), 0.0
    for done, (p, at) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - done) * p))
        adjusted[at] = worst
    return adjusted
