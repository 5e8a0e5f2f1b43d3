"""Figures of gains and trials, drawn with matplotlib's object interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from mpt.report import words
from mpt.report.figures.style import BAND, BEST, FAINT, GRID, INK, LOST, Look, canvas, label, looks
from mpt.report.tables.columns import trial_interval
from mpt.report.views import best_trial
from mpt.stats.scores import Gain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from mpt.search.trial import Trial

WIDTH = 9.0
"""Width of a figure in inches; the page scales it to its column."""


def arg_figure(gains: Sequence[Gain]) -> Figure:
    """Draw a forest plot: a band per setting, a row per method.

    Thin whiskers are the interval over tasks and seeds, thick ones over seeds alone. A whisker that
    does not fit ends in an arrow, so that one wide interval leaves the others legible.
    """
    look = looks([gain.method for gain in gains])
    figure, axes = canvas(WIDTH, 1.0 + 0.26 * len(gains) + 0.22 * _changes(gains))
    left, right = _reach([gain.arg for gain in gains], [g.interval for g in gains])
    axes.set_xlim(left, right)
    at, ticks, before = 0.0, [], None
    for gain in gains:
        if before is not None and gain.setting != before:
            at += 0.8
            axes.axhline(at - 0.9, color=GRID, linewidth=0.8)
        if gain.setting != before:
            ticks.append((at, label(gain.setting)))
        _whiskers(axes, at, gain, look[gain.method])
        at, before = at + 1, gain.setting
    axes.set_ylim(at - 0.3, -0.8)
    axes.set_yticks([where for where, _ in ticks], [name for _, name in ticks])
    zero_line(axes)
    axes.set_xlabel(
        f"average relative gain over {label(baseline_names(gains))} (%)", color=INK, fontsize=9
    )
    _legend(axes, look)
    return figure


def trials_figure(trials: Sequence[Trial], winner: int | None = None) -> Figure:
    """Draw validation ARG by trial with its interval, the best so far, and the chosen trial.

    Args:
        winner: number of the chosen trial; by default the best one.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(WIDTH, 3.2)
    complete = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    axes.axhline(0, color=FAINT, linewidth=0.8)
    for trial in complete:
        bounds = trial_interval(trial)
        if bounds.known:
            axes.plot([trial.number] * 2, [bounds.low, bounds.high], color=BAND, linewidth=3)
    axes.scatter(
        [t.number for t in complete],
        [t.arg for t in complete if t.arg is not None],
        s=34, color=FAINT, zorder=3, label="trial, with its interval",
    )  # fmt: skip
    peaks = [max(t.arg or 0.0 for t in complete[: n + 1]) for n in range(len(complete))]
    numbers = [t.number for t in complete]
    axes.step(numbers, peaks, where="post", color=BEST, linewidth=1.6, label="best so far")
    best = best_trial(trials)
    chosen = best.number if winner is None and best is not None else winner
    for trial in complete:
        if trial.number == chosen and trial.arg is not None:
            axes.plot(
                trial.number, trial.arg, "*", markersize=12, color=BEST, label="chosen",
                linestyle="none", zorder=4,
            )  # fmt: skip
    foot = axes.get_ylim()[0]
    for state, marker, colour in (("diverged", "x", LOST), ("pruned", "|", FAINT)):
        if lost := [t.number for t in trials if t.state == state]:
            axes.scatter(
                lost, [foot] * len(lost), marker=marker, color=colour, label=state, zorder=3
            )
    axes.set_xlabel("trial", color=INK, fontsize=9)
    axes.set_ylabel("validation ARG (%)", color=INK, fontsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _whiskers(axes: Axes, at: float, gain: Gain, look: Look) -> None:
    left, right = axes.get_xlim()
    for bounds, width, alpha in ((gain.interval, 1.2, 0.9), (gain.seed_interval, 5.0, 0.35)):
        if bounds.known:
            ends = [max(bounds.low, left), min(bounds.high, right)]
            axes.plot(ends, [at, at], color=look.colour, linewidth=width, alpha=alpha,
                      solid_capstyle="butt")  # fmt: skip
    known = [bounds for bounds in (gain.interval, gain.seed_interval) if bounds.known]
    for outside, edge, arrow in (
        (any(bounds.low < left for bounds in known), left, "<"),
        (any(bounds.high > right for bounds in known), right, ">"),
    ):
        if outside:
            axes.plot(edge, at, arrow, color=look.colour, markersize=6, clip_on=False)
    if isfinite(gain.arg):
        dot(axes, gain.arg, at, look)
    else:
        axes.text(0, at, " n/a", color=FAINT, fontsize=8, va="center")


def dot(axes: Axes, x: float, y: float, look: Look) -> None:
    """Draw a method's marker."""
    axes.plot(x, y, look.marker, color=look.colour, markersize=6.5,
              markeredgecolor="white", markeredgewidth=0.8, zorder=3)  # fmt: skip


def _reach(values: Sequence[float], intervals: Sequence) -> tuple[float, float]:
    """Compute an x range that holds all values and most whiskers.

    Whiskers extend it to at most 2.5 times the largest absolute value.
    """
    finite = [value for value in values if isfinite(value)] or [0.0]
    widest = max(20.0, 2.5 * max(abs(value) for value in finite))
    lows = [max(i.low, -widest) for i in intervals if i.known]
    highs = [min(i.high, widest) for i in intervals if i.known]
    left, right = min([0.0, *finite, *lows]), max([0.0, *finite, *highs])
    margin = 0.04 * (right - left or 1.0)
    return left - margin, right + margin


def zero_line(axes: Axes) -> None:
    """Draw the line of zero gain, over faint grid lines."""
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.grid(axis="x", color=GRID, linewidth=0.8)


def baseline_names(gains: Sequence[Gain]) -> str:
    """Return the printed names of the gains' baselines."""
    names = words.method_names(name for gain in gains for name in (gain.method, gain.baseline))
    return " or ".join(dict.fromkeys(names[gain.baseline] for gain in gains))


def _changes(gains: Sequence[Gain]) -> int:
    return len({gain.setting for gain in gains})


def handles(looks: Mapping[str, Look]) -> list[Line2D]:
    """Create the methods' entries of a legend."""
    from matplotlib.lines import Line2D

    names = words.method_names(looks)
    return [
        Line2D(
            [], [], color=look.colour, marker=look.marker or None, markersize=6.5, linewidth=1.2,
            linestyle="-" if look.marker else "--",
            markeredgecolor=look.colour if look.marker == "|" else "white",
            label=label(names[method]),
        )
        for method, look in looks.items()
    ]  # fmt: skip


def _legend(axes: Axes, look: Mapping[str, Look]) -> None:
    axes.legend(
        handles=handles(look), frameon=False,
        fontsize=8.5, ncols=6, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
    )  # fmt: skip
