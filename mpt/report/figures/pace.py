"""Figures of training curves: losses, dev scores, and time to the baseline's best dev score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from mpt.report.figures.style import GRID, INK, LINES, Look, label, looks, panels
from mpt.report.figures.trials import WIDTH, handles
from mpt.report.findings import Curve
from mpt.stats.convergence import DevCurve, baseline_pace, paces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN = Look(INK, "")
"""Style of the baseline's line: dashed, without markers."""

POINTS = 250
"""Points drawn of a curve at most: a page holds many curves, and a screen resolves no more."""

Line = tuple[str, Sequence[int], Sequence[float]]
"""A method, the updates, and a value for each of them."""


def dev_figure(evals: Sequence[DevCurve], baseline: str) -> Figure:
    """Draw mean dev score over tasks and seeds by update: panels by setting, lines by method."""

    def lines(setting: str) -> list[Line]:
        by_method: dict[str, dict[int, list[float]]] = {}
        for cell in evals:
            if cell.setting == setting:
                by_step = by_method.setdefault(cell.method, {})
                for step, dev in zip(cell.steps, cell.devs, strict=True):
                    by_step.setdefault(step, []).append(dev)
        return [
            (method, sorted(by_step), [fmean(by_step[step]) for step in sorted(by_step)])
            for method, by_step in by_method.items()
        ]

    return _panels(evals, baseline, lines, "mean dev score")


def pace_figure(evals: Sequence[DevCurve], baseline: str) -> Figure:
    """Draw the share of (task, seed) cells that reached the baseline's best dev score by update."""
    all_paces = paces(evals, baseline)

    def lines(setting: str) -> list[Line]:
        steps = sorted({0, *(s for cell in evals if cell.setting == setting for s in cell.steps)})
        of_baseline = baseline_pace(evals, setting, baseline)
        of_setting = [pace for pace in all_paces if pace.setting == setting]
        if of_baseline.races:
            of_setting = [of_baseline, *of_setting]
        return [(pace.method, steps, pace.share(steps)) for pace in of_setting]

    return _panels(evals, baseline, lines, "share that reached\nthe baseline's best", stairs=True)


def curves_figure(curves: Sequence[Curve], what: str) -> Figure:
    """Draw training curves, a line per curve: running means over a tenth of its length.

    Curves in panels belong to methods and have their colours; a method may have several lines.
    """
    places = list(dict.fromkeys(curve.panel for curve in curves))
    names = list(dict.fromkeys(curve.name for curve in curves))
    styles = looks(names) if any(places) else _plain(names)
    figure, grid = panels(len(places), WIDTH)
    for axes, place in zip(grid, places, strict=True):
        axes.set_title(label(place), fontsize=9, loc="left", color=INK)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        for curve in [curve for curve in curves if curve.panel == place]:
            _line(axes, styles[curve.name], *_running_mean(curve), names.index(curve.name))
    figure.supxlabel("updates", fontsize=9, color=INK)
    figure.supylabel(f"{what},\nrunning mean", fontsize=9, color=INK)
    figure.legend(
        handles=handles(styles), frameon=False, fontsize=8.5, ncols=8, loc="outside upper left"
    )
    return figure


def _plain(names: Sequence[str]) -> dict[str, Look]:
    """Choose a style for each trial's line; no two have the same colour."""
    if len(names) <= len(LINES):
        return {name: Look(colour, "o") for name, colour in zip(names, LINES, strict=False)}
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours, markers = colormaps["turbo"].resampled(len(names)), "os^Dv"
    return {
        name: Look(to_hex(colours(at)), markers[at % len(markers)]) for at, name in enumerate(names)
    }


def _running_mean(curve: Curve) -> tuple[list[int], list[float]]:
    """Compute means over the last tenth of the curve's length, at most ``POINTS`` of them."""
    length = len(curve.values)
    width, ends = max(1, length // 10), range(0, length, -(-length // POINTS))
    means = [fmean(curve.values[max(0, at + 1 - width) : at + 1]) for at in ends]
    return [curve.steps[at] for at in ends], means


def _panels(
    evals: Sequence[DevCurve],
    baseline: str,
    lines: Callable[[str], list[Line]],
    what: str,
    *,
    stairs: bool = False,
) -> Figure:
    settings = list(dict.fromkeys(cell.setting for cell in evals))
    methods = [m for m in dict.fromkeys(cell.method for cell in evals) if m != baseline]
    look = {baseline: PLAIN, **looks(methods)}
    figure, grid = panels(len(settings), WIDTH)
    for axes, setting in zip(grid, settings, strict=True):
        axes.set_title(label(setting), fontsize=9, loc="left", color=INK)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        for at, (method, steps, values) in enumerate(lines(setting)):
            _line(axes, look[method], steps, values, at, stairs=stairs)
    figure.supxlabel("updates", fontsize=9, color=INK)
    figure.supylabel(what, fontsize=9, color=INK)
    figure.legend(
        handles=handles(look), frameon=False, fontsize=8.5, ncols=7, loc="outside upper left"
    )
    return figure


def _line(
    axes: Axes,
    look: Look,
    steps: Sequence[int],
    values: Sequence[float],
    at: int,
    *,
    stairs: bool = False,
) -> None:
    """Draw a method's line with some of its markers, shifted for each method so that all show."""
    spacing = max(1, len(steps) // 5)
    axes.plot(
        steps, values,
        color=look.colour, marker=look.marker or None, markersize=5, markeredgecolor="white",
        markeredgewidth=0.6, markevery=(at % spacing, spacing), linewidth=1.5,
        linestyle="-" if look.marker else "--", drawstyle="steps-post" if stairs else "default",
        zorder=3 if look.marker else 2,
    )  # fmt: skip
