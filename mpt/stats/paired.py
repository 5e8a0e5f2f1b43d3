"""Is one method better than another? Paired over (task, seed): both saw the same few-shot splits.

As with intervals (``mpt.stats.intervals``) there are two questions. *Would these very tasks, drawn
with other seeds, say the same?* Tasks are given, ``among="seeds"``. *Would other tasks of this
kind?* Tasks are a draw from a population, ``among="tasks"``: five of them decide little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import fmean
from typing import Any, Literal

import numpy as np

from mpt.errors import UnknownName
from mpt.stats.intervals import LEVEL, UNKNOWN, Interval
from mpt.stats.scores import Score, best_dev, by_seed


@dataclass(frozen=True, slots=True)
class Paired:
    """How far ``first`` is above ``second``, in points of ARG (percent of the baseline's mean).

    Attributes:
        interval: 95 % interval of the difference.
        p: two-sided, of no difference; NaN where the data cannot say.
        tasks: compared tasks; pairs: compared (task, seed) cells.
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
        """Whether the two can be told apart at the level of the interval."""
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

    A task counts by the difference of its mean test scores, each seed at its best-dev rate,
    relative to the baseline's mean there, so that the mean over tasks is a difference of ARGs.
    Tasks on which the baseline is not above zero are left out, as in ARG.

    Args:
        scores: of one setting; the baseline's, or the first's and second's own if one of them is
            the baseline, are among them.
        among: what the test accounts for, see the head of this file. ``seeds``: t with the degrees
            of freedom of Welch and Satterthwaite, each task with its own noise. ``tasks``: t over
            the tasks.

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
    level = {task: fmean(tests.values()) for task, tests in cells[baseline].items()}
    apart = _differences(cells[first], cells[second], level)
    if not apart:
        return Paired(first, second, nan, UNKNOWN, nan, 0, 0)
    interval, p = _over_seeds(apart) if among == "seeds" else _over_tasks(apart)
    mean = fmean(map(fmean, apart))
    return Paired(first, second, mean, interval, p, len(apart), sum(map(len, apart)))


Tests = Mapping[str, Mapping[int, float]]
"""Test scores by task and seed."""


def _differences(first: Tests, second: Tests, level: Mapping[str, float]) -> list[list[float]]:
    """Percent of the baseline, task by task, a value for every seed that both have."""
    found = []
    for task in sorted(first.keys() & second.keys()):
        seeds = sorted(first[task].keys() & second[task].keys())
        if seeds and level.get(task, 0.0) > 0:
            gaps = (first[task][seed] - second[task][seed] for seed in seeds)
            found.append([100 * gap / level[task] for gap in gaps])
    return found


def _over_tasks(apart: Sequence[Sequence[float]]) -> tuple[Interval, float]:
    from scipy.stats import ttest_1samp

    means = [fmean(task) for task in apart]
    if len(means) < 2:
        return UNKNOWN, nan
    if np.ptp(means) == 0:
        return _exact(means[0])
    test: Any = ttest_1samp(means, 0.0)
    ends = test.confidence_interval(LEVEL)
    return Interval(float(ends.low), float(ends.high)), float(test.pvalue)


def _over_seeds(apart: Sequence[Sequence[float]]) -> tuple[Interval, float]:
    from scipy.stats import t

    if min(map(len, apart)) < 2:
        return UNKNOWN, nan
    parts = np.array([np.var(task, ddof=1) / len(task) for task in apart])
    mean = fmean(map(fmean, apart))
    if not parts.any():
        return _exact(mean)
    freedoms = np.array([len(task) - 1.0 for task in apart])
    freedom = float(parts.sum() ** 2 / (parts**2 / freedoms).sum())
    error = sqrt(parts.sum()) / len(apart)
    low, high = t.interval(LEVEL, freedom, loc=mean, scale=error)
    return Interval(float(low), float(high)), float(2 * t.sf(abs(mean) / error, freedom))


def _exact(mean: float) -> tuple[Interval, float]:
    """Where every repetition said the same: no noise was seen."""
    return Interval(mean, mean), 1.0 if mean == 0 else 0.0


def holm(ps: Sequence[float]) -> list[float]:
    """P values when so many tests are made at once (Holm 1979); NaN stays and does not count."""
    order = sorted((p, at) for at, p in enumerate(ps) if p == p)
    found, worst = [nan] * len(ps), 0.0
    for done, (p, at) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - done) * p))
        found[at] = worst
    return found
