"""Figures of target tasks: relative gains, and the absolute scores behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from mpt.report.figures.style import FAINT, GRID, INK, Look, bare, label, looks
from mpt.report.figures.trials import WIDTH, baseline_names, dot, handles, zero_line
from mpt.stats.scores import Gain, Score, best_dev

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASE = Look(INK, "|")
"""Style of the baseline among absolute scores."""


def task_figure(gains: Sequence[Gain], scores: Sequence[Score] = ()) -> Figure:
    """Draw the targets of one setting, a row per task (the paper's Figures 4 to 23).

    The left panel has the relative gains; the right one, where there are scores, their means over
    seeds at each seed's best-dev rate, with whiskers of one standard deviation and the baseline.
    """
    from matplotlib.figure import Figure

    look = looks([gain.method for gain in gains])
    tasks = list(dict.fromkeys(task for gain in gains for task in gain.tasks))
    each = 0.27 if len(gains) < 4 else 0.1 + 0.075 * len(gains)
    figure = Figure(figsize=(WIDTH, 1.1 + each * len(tasks)), layout="constrained")
    grid = figure.subplots(1, 2 if scores else 1, sharey=True, squeeze=False)[0]
    for axes in grid:
        bare(axes)
        for row in range(len(tasks)):
            axes.axhline(row, color=GRID, linewidth=0.8)
    _gains(grid[0], gains, tasks, look)
    if scores:
        _scores(grid[1], scores, tasks, {gains[0].baseline: BASE, **look})
    grid[0].set_yticks(range(len(tasks)), list(map(label, tasks)))
    grid[0].set_ylim(len(tasks) - 0.4, -0.6)
    shown = {gains[0].baseline: BASE, **look} if scores else look
    figure.legend(
        handles=handles(shown), frameon=False, fontsize=8.5, ncols=7, loc="outside upper left"
    )
    return figure


def _gains(
    axes: Axes, gains: Sequence[Gain], tasks: Sequence[str], look: Mapping[str, Look]
) -> None:
    for row, task in enumerate(tasks):
        for at, gain in enumerate(gains):
            here = row + _offset(at, len(gains))
            if task not in gain.per_task:
                axes.text(0, here, " n/a", color=FAINT, fontsize=7, va="center")
                continue
            colour = look[gain.method].colour
            if len(gains) == 1:
                axes.plot([0, gain.per_task[task]], [row, row], color=colour, linewidth=2.5)
            dot(axes, gain.per_task[task], here, look[gain.method])
    zero_line(axes)
    axes.set_xlabel(f"relative gain over {label(baseline_names(gains))} (%)", color=INK, fontsize=9)


def _scores(
    axes: Axes, scores: Sequence[Score], tasks: Sequence[str], look: Mapping[str, Look]
) -> None:
    tests: dict[tuple[str, str], list[float]] = {}
    for score in best_dev(scores):
        tests.setdefault((score.method, score.task), []).append(score.test)
    for row, task in enumerate(tasks):
        for at, (method, style) in enumerate(look.items()):
            if not (values := tests.get((method, task))):
                continue
            mean, deviation = fmean(values), stdev(values) if len(values) > 1 else 0.0
            here = row + _offset(at, len(look))
            ends = [mean - deviation, mean + deviation]
            axes.plot(ends, [here, here], color=style.colour, linewidth=1.1, alpha=0.6)
            if style is BASE:
                axes.plot(mean, here, "|", color=INK, markersize=9, markeredgewidth=2, zorder=3)
            else:
                dot(axes, mean, here, style)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xlabel("test score ± standard deviation over seeds", color=INK, fontsize=9)


def _offset(at: int, many: int) -> float:
    """Compute where in a task's row the mark of the n-th of ``many`` methods is drawn."""
    return (at - (many - 1) / 2) * 0.7 / max(many, 1)
