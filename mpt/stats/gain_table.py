"""The crossed table of a search: the relative gain of every trial on every (task, data seed).

All trials of a sweep are tuned on the same few-shot splits, so that two of them can be compared
cell by cell: what makes a split hard is common to both and cancels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from mpt.stats.scores import Score, best_dev, relative_gain

Array = NDArray[np.float64]
Cell = tuple[str, int]
"""A validation task and a data seed."""

Gains = Mapping[str, Mapping[Cell, Sequence[float]]]
"""Gains in percent by trial and cell; a cell that was computed several times has several."""


@dataclass(frozen=True, eq=False, kw_only=True)
class GainTable:
    """Hold ``[T, C]`` gains of T trials on C cells, in percent of the baseline's mean on the task.

    Attributes:
        trials: names of the rows.
        cells: (task, seed) of the columns, sorted.
        gains: a cell that was computed several times has the mean.
        left_out: why a trial is not in the table, by its name.
        zero_baseline: tasks that are not, as the baseline's mean there is not above zero.
        levels: the baseline's mean test score by task, where it is known.
        rounding: variance of one computation of a cell among repetitions of it, and the mean of
            1 / repetitions over all cells; None if no cell was computed twice.
    """

    trials: tuple[str, ...]
    cells: tuple[Cell, ...]
    gains: Array
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    zero_baseline: tuple[str, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict[str, float])
    rounding: tuple[float, float] | None = None

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks of the columns, sorted."""
        return tuple(dict.fromkeys(task for task, _ in self.cells))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Return the data seeds of the columns, sorted."""
        return tuple(sorted({seed for _, seed in self.cells}))

    @cached_property
    def blocks(self) -> list[Array]:
        """Return a block ``[T, S]`` of gains per task, S being its number of seeds."""
        columns = [[task == of for of, _ in self.cells] for task in self.tasks]
        return [self.gains[:, np.array(chosen)] for chosen in columns]

    @cached_property
    def by_task(self) -> Array:
        """Return the means over seeds, ``[T, K]`` of T trials on K tasks."""
        return np.stack([block.mean(axis=1) for block in self.blocks], axis=1)

    @cached_property
    def means(self) -> Array:
        """Return the mean over tasks of every trial, its ARG: ``[T]``."""
        return self.by_task.mean(axis=1)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to compare: fewer than two trials, or no cell."""
        return len(self.trials) < 2 or not self.cells


def crossed(
    gains: Gains,
    *,
    left_out: Mapping[str, str] | None = None,
    zero_baseline: Sequence[str] = (),
    levels: Mapping[str, float] | None = None,
) -> GainTable:
    """Build the table from gains; NaN is no gain, and a trial without one on a cell is left out.

    Args:
        gains: see ``Gains``.
        left_out, zero_baseline, levels: see ``GainTable``.
    """
    finite = {
        trial: {cell: values for cell, every in cells.items() if (values := _finite(every))}
        for trial, cells in gains.items()
    }
    cells = sorted({cell for of_trial in finite.values() for cell in of_trial})
    reasons = dict(left_out or {})
    for trial, of_trial in finite.items():
        if lacking := [cell for cell in cells if cell not in of_trial]:
            reasons[trial] = _lacks(lacking) if of_trial else "it has no score"
    trials = tuple(trial for trial in finite if trial not in reasons)
    table = np.array([[fmean(finite[trial][cell]) for cell in cells] for trial in trials])
    return GainTable(
        trials=trials,
        cells=tuple(cells),
        gains=table.reshape(len(trials), len(cells)),
        left_out=reasons,
        zero_baseline=tuple(zero_baseline),
        levels=dict(levels or {}),
        rounding=_rounding([finite[trial][cell] for trial in trials for cell in cells]),
    )


def table_of(
    scores: Iterable[Score],
    *,
    baseline: str = "PT",
    left_out: Mapping[str, str] | None = None,
    loss: float | None = None,
) -> GainTable:
    """Build the table of a search from its scores, each seed at its best-dev learning rate.

    As in ARG, a gain is relative to the baseline's mean over seeds on the task, and tasks where
    that is not above zero are left out.

    Args:
        scores: of every trial under its name, and of the baseline, in one setting.
        baseline: name of the method that gains are relative to.
        left_out: trials without scores, and why.
        loss: the gain of a trial on a cell where it has no score; None leaves the trial out.
    """
    tests: dict[str, dict[Cell, float]] = {}
    for score in best_dev(scores):
        tests.setdefault(score.method, {})[score.task, score.seed] = score.test
    levels = _levels(tests.pop(baseline, {}))
    every = {cell for cells in tests.values() for cell in cells if levels.get(cell[0], 0.0) > 0}
    gains = {
        trial: {cell: [relative_gain(cells[cell], levels[cell[0]])] for cell in every & {*cells}}
        for trial, cells in tests.items()
    }
    if loss is not None:
        gains = {trial: {cell: [loss] for cell in every} | own for trial, own in gains.items()}
    zero = sorted(task for task, level in levels.items() if level <= 0)
    return crossed(gains, left_out=left_out, zero_baseline=zero, levels=levels)


def _levels(tests: Mapping[Cell, float]) -> dict[str, float]:
    by_task: dict[str, list[float]] = {}
    for (task, _), test in tests.items():
        by_task.setdefault(task, []).append(test)
    return {task: fmean(values) for task, values in by_task.items()}


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if isfinite(value)]


def _lacks(cells: Sequence[Cell]) -> str:
    task, seed = cells[0]
    more = f" and {len(cells) - 1} more" if cells[1:] else ""
    return f"it has no score on {task} with data seed {seed}{more}"


def _rounding(cells: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    freedom = sum(len(values) - 1 for values in cells)
    if not freedom:
        return None
    squares = sum(float(np.sum((np.array(values) - fmean(values)) ** 2)) for values in cells)
    return squares / freedom, fmean(1 / len(values) for values in cells)
