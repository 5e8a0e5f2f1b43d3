"""Figures of training under way: losses, dev scores, and how soon these are the baseline's best."""

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
"""The baseline's line: dashed, without markers."""

POINTS = 250
"""Of a curve; a page holds many, and a screen shows no more."""

Line = tuple[str, Sequence[int], Sequence[float]]
"""A method, updates, and a value for each."""


def dev_figure(seen: Sequence[DevCurve], baseline: str) -> Figure:
    """Mean dev score over tasks and seeds by update: a panel a setting, a line a method."""

    def lines(setting: str) -> list[Line]:
        by_method: dict[str, dict[int, list[float]]] = {}
        for one in seen:
            if one.setting == setting:
                held = by_method.setdefault(one.method, {})
                for step, dev in zip(one.steps, one.devs, strict=True):
                    held.setdefault(step, []).append(dev)
        return [
            (method, sorted(held), [fmean(held[step]) for step in sorted(held)])
            for method, held in by_method.items()
        ]

    return _panels(seen, baseline, lines, "mean dev score")


def pace_figure(seen: Sequence[DevCurve], baseline: str) -> Figure:
    """Share of (task, seed) cells with the baseline's best dev score or more, by update."""
    raced = paces(seen, baseline)

    def lines(setting: str) -> list[Line]:
        steps = sorted({0, *(s for one in seen if one.setting == setting for s in one.steps)})
        own = baseline_pace(seen, setting, baseline)
        racing = [pace for pace in raced if pace.setting == setting]
        if own.races:
            racing = [own, *racing]
        return [(pace.method, steps, pace.share(steps)) for pace in racing]

    return _panels(seen, baseline, lines, "share that reached\nthe baseline's best", stairs=True)


def curves_figure(curves: Sequence[Curve], what: str) -> Figure:
    """How a number changed in training, a line a curve: running means over a tenth of it.

    Curves in panels are of methods and look like them; a method with several has several lines.
    """
    places = list(dict.fromkeys(curve.panel for curve in curves))
    names = list(dict.fromkeys(curve.name for curve in curves))
    look = looks(names) if any(places) else {name: _plain(at) for at, name in enumerate(names)}
    figure, grid = panels(len(places), WIDTH)
    for axes, place in zip(grid, places, strict=True):
        axes.set_title(label(place), fontsize=9, loc="left", color=INK)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        for curve in (one for one in curves if one.panel == place):
            _line(axes, look[curve.name], *_running_mean(curve), names.index(curve.name))
    figure.supxlabel("updates", fontsize=9, color=INK)
    figure.supylabel(f"{what},\nrunning mean", fontsize=9, color=INK)
    figure.legend(
        handles=handles(look), frameon=False, fontsize=8.5, ncols=7, loc="outside upper left"
    )
    return figure


def _plain(at: int) -> Look:
    """Of the trial at this place: a colour, and another marker once the colours are used up."""
    return Look(LINES[at % len(LINES)], ("o", "s", "^", "D", "v")[at // len(LINES) % 5])


def _running_mean(curve: Curve) -> tuple[list[int], list[float]]:
    """Means over the last tenth of the curve's length, at most ``POINTS`` of them."""
    many = len(curve.values)
    width, places = max(1, many // 10), range(0, many, -(-many // POINTS))
    means = [fmean(curve.values[max(0, at + 1 - width) : at + 1]) for at in places]
    return [curve.steps[at] for at in places], means


def _panels(
    seen: Sequence[DevCurve],
    baseline: str,
    lines: Callable[[str], list[Line]],
    what: str,
    *,
    stairs: bool = False,
) -> Figure:
    settings = list(dict.fromkeys(one.setting for one in seen))
    methods = [m for m in dict.fromkeys(one.method for one in seen) if m != baseline]
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
    """A method's line with a few of its markers, each method's at other places."""
    apart = max(1, len(steps) // 5)
    axes.plot(
        steps, values,
        color=look.colour, marker=look.marker or None, markersize=5, markeredgecolor="white",
        markeredgewidth=0.6, markevery=(at % apart, apart), linewidth=1.5,
        linestyle="-" if look.marker else "--", drawstyle="steps-post" if stairs else "default",
        zorder=3 if look.marker else 2,
    )  # fmt: skip
