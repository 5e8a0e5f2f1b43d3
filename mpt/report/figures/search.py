"""Figures of a search: its trials by parameter, all parameters side by side, and what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log, sqrt
from typing import TYPE_CHECKING

from mpt.report import words
from mpt.report.figures.style import BEST, FAINT, GRID, INK, bare, canvas, label
from mpt.report.figures.trials import WIDTH
from mpt.report.views import best_trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mpt.search.trial import Trial

MOST = 300
"""Trials drawn side by side at most, those with the highest ARG."""


def parallel_figure(trials: Sequence[Trial]) -> Figure | None:
    """Draw each finished trial as a line through its parameters to its ARG, coloured by ARG.

    Rates have logarithmic axes. None unless two finished trials differ in a parameter.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    complete = sorted(_complete(trials), key=lambda trial: trial.arg or 0.0)[-MOST:]
    names = _varied(complete)
    if not names:
        return None
    figure, axes = canvas(WIDTH, 3.4)
    args = [trial.arg or 0.0 for trial in complete]
    colour = ScalarMappable(Normalize(min(args), max(args)), colormaps["cividis"])
    scales = {name: _Scale([trial.params[name] for trial in complete]) for name in names}
    heights = _Scale(args, is_rate=False)
    shades = colour.to_rgba(np.array(args))
    for trial, arg, shade in zip(complete, args, shades, strict=True):
        line = [scales[name].place(trial.params[name]) for name in names]
        axes.plot(
            [*line, heights.place(arg)],
            color=shade,
            linewidth=1.6,
            alpha=0.8,
        )
    for at, scale in enumerate([*scales.values(), heights]):
        axes.axvline(at, color=FAINT, linewidth=0.8)
        for value in scale.ends:
            text = words.param(value) if at < len(names) else words.percent(value)
            paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
            axes.text(
                at + 0.03, scale.place(value), text, color=INK, fontsize=8, va="center", bbox=paper
            )
    axes.set_xticks(range(len(names) + 1), [*map(_called, names), "ARG (%)"])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    bar = figure.colorbar(colour, ax=axes, pad=0.06)
    bar.set_label("validation ARG (%)", color=INK, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def slices_figure(trials: Sequence[Trial]) -> Figure | None:
    """Draw validation ARG by each parameter, a panel each, the best trial marked.

    None unless two finished trials differ in a parameter.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    complete = _complete(trials)
    names = _varied(complete)
    best = best_trial(complete)
    if not names or best is None:
        return None
    figure = Figure(figsize=(WIDTH, 2.6), layout=ConstrainedLayoutEngine(w_pad=0.1))
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(grid, names, strict=True):
        _slice(axes, name, complete, best)
    grid[0].set_ylabel("validation ARG (%)", color=INK, fontsize=9)
    return figure


def importance_figure(importance: Mapping[str, float]) -> Figure | None:
    """Draw the share of each parameter in the differences of ARG; None without any."""
    if not importance:
        return None
    figure, axes = canvas(WIDTH, 0.8 + 0.34 * len(importance))
    names, shares = [*map(_called, importance)], [100 * share for share in importance.values()]
    axes.barh(names, shares, color=BEST, height=0.6)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xlabel("importance (%)", color=INK, fontsize=9)
    return figure


class _Scale:
    """Places values between 0 and 1, rates by their logarithm."""

    def __init__(self, values: Sequence[float], is_rate: bool | None = None) -> None:
        is_rate = isinstance(values[0], float) and min(values) > 0 if is_rate is None else is_rate
        self._of = log if is_rate else float
        self.ends = sorted({min(values), max(values)})

    def place(self, value: float) -> float:
        low, high = self._of(self.ends[0]), self._of(self.ends[-1])
        return 0.5 if low == high else (self._of(value) - low) / (high - low)


def _slice(axes: Axes, name: str, complete: Sequence[Trial], best: Trial) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    bare(axes)
    values = [trial.params[name] for trial in complete]
    axes.scatter(values, [trial.arg or 0.0 for trial in complete], s=24, color=FAINT)
    axes.plot(best.params[name], best.arg or 0.0, "*", markersize=12, color=BEST)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    if isinstance(values[0], float) and min(values) > 0:
        axes.set_xscale("log")
        ends = min(values), max(values)
        axes.xaxis.set_major_locator(FixedLocator([ends[0], sqrt(ends[0] * ends[1]), ends[1]]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.param(value)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlabel(_called(name), color=INK, fontsize=9)


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.arg is not None and isfinite(trial.arg)]


def _varied(complete: Sequence[Trial]) -> list[str]:
    """Return the parameters that all trials have and in which some differ."""
    shared = [
        name
        for name in (complete[0].params if complete else ())
        if all(name in trial.params for trial in complete)
    ]
    return [name for name in shared if len({trial.params[name] for trial in complete}) > 1]


def _called(name: str) -> str:
    return label(name.replace("_lr", " rate").replace("_", " "))
