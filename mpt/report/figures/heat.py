"""Heat maps: tiles coloured by value, with the value printed in each where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, log, nan
from typing import TYPE_CHECKING, Any

from mpt.report import words
from mpt.report.figures.style import FAINT, INK, canvas, label

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from mpt.lab.similarity import SimilarityMatrix
    from mpt.search.trial import Trial

DISTINCT = 6
"""More distinct rates than this come from a range, and are grouped into bins."""

BINS = 4

LEGIBLE = 24
"""More rows than this leave no room for values in the tiles."""


def similarity_figure(similarity: SimilarityMatrix) -> Figure:
    """Draw how much of the row's prompt lies in the column's subspace; similar tasks adjoin."""
    import numpy as np

    order = _by_likeness(similarity)
    table = np.array([[v if v is not None else nan for v in row] for row in similarity.matrix])
    table, names = table[np.ix_(order, order)], [label(similarity.tasks[at]) for at in order]
    side = min(13.0, max(4.2, 2.6 + 0.34 * len(names)))
    figure, axes = canvas(side + 0.8, side)
    # a task's correlation with itself is 1, which would hide the other differences
    np.fill_diagonal(table, nan)
    shown = tiles(axes, table, cmap="cividis", digits=2)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    bar = figure.colorbar(shown, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label(f"correlation (by chance about {similarity.chance:.2f})", color=INK, fontsize=9)
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def rates_figure(trials: Sequence[Trial]) -> Figure | None:
    """Draw mean validation ARG by inner and outer rate, over all other searched parameters.

    Rates drawn from a range are grouped into bins of equal ratio. None unless two finished trials
    differ in either rate; without an inner rate the rows are the outer steps.
    """
    import numpy as np

    complete = [t for t in trials if t.arg is not None and isfinite(t.arg)]
    searched = {name for trial in complete for name in trial.params}
    across = "outer_lr"
    down = "inner_lr" if "inner_lr" in searched else "outer_steps"
    if not {across, down} <= searched:
        return None
    columns, at_column = _bins([trial.params[across] for trial in complete])
    rows, at_row = _bins([trial.params[down] for trial in complete])
    if len(columns) < 2 and len(rows) < 2:
        return None
    cells: dict[tuple[int, int], list[float]] = {}
    for trial, row, column in zip(complete, at_row, at_column, strict=True):
        cells.setdefault((row, column), []).append(trial.arg or 0.0)
    table = np.full((len(rows), len(columns)), nan)
    for place, args in cells.items():
        table[place] = np.mean(args)
    limit = float(np.nanmax(np.abs(table))) or 1.0
    figure, axes = canvas(3.4 + 1.15 * len(columns), 1.3 + 0.55 * len(rows))
    shown = tiles(axes, table, vmin=-limit, vmax=limit, cmap="PuOr_r", digits=1, signed=True)
    bar = figure.colorbar(shown, ax=axes, pad=0.02)
    bar.set_label("validation ARG (%)", color=INK, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    for (row, column), args in cells.items():
        if len(args) > 1:
            ink = _readable(shown.cmap(shown.norm(table[row, column])))
            note = f"{len(args)} trials"
            axes.text(column, row + 0.32, note, color=ink, ha="center", va="center", fontsize=6.5)
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xlabel(across.replace("_lr", " rate"), color=INK, fontsize=9)
    axes.set_ylabel(down.replace("_lr", " rate").replace("_", " "), color=INK, fontsize=9)
    axes.invert_yaxis()
    return figure


def _bins(values: Sequence[float]) -> tuple[list[str], list[int]]:
    """Return the labels of the values or their bins, ascending, and the bin index of each value."""
    distinct = sorted(set(values))
    if len(distinct) <= DISTINCT:
        names = [words.param(value) for value in distinct]
        return names, [distinct.index(value) for value in values]
    low, ratio = distinct[0], (distinct[-1] / distinct[0]) ** (1 / BINS)
    edges = [low * ratio**at for at in range(BINS + 1)]
    names = [f"{words.param(a)} – {words.param(b)}" for a, b in pairwise(edges)]
    return names, [min(BINS - 1, int(log(value / low) / log(ratio))) for value in values]


def tiles(
    axes: Axes, table: NDArray[np.float64], *, digits: int, signed: bool = False, **look: Any
) -> AxesImage:
    """Draw tiles of a table ``[rows, columns]``; NaN is left blank with a dot."""
    import numpy as np

    shown = axes.imshow(np.ma.masked_invalid(table), aspect="auto", **look)
    axes.spines[:].set_visible(False)
    rows, columns = table.shape
    small = 8 if max(rows, columns) <= 12 else 6.5
    for row in range(rows):
        for column in range(columns):
            value = table[row, column]
            if not np.isfinite(value):
                axes.text(column, row, "·", color=FAINT, ha="center", va="center")
            elif max(rows, columns) <= LEGIBLE:
                text = f"{value:{'+' if signed else ''}.{digits}f}"
                ink = _readable(shown.cmap(shown.norm(value)))
                axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=small)
    return shown


def _readable(colour: tuple[float, ...] | NDArray[np.float64]) -> str:
    """Return white or black ink, whichever contrasts more with a colour (relative luminance)."""
    red, green, blue = colour[:3]
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45 else INK


def _by_likeness(similarity: SimilarityMatrix) -> list[int]:
    """Order tasks by hierarchical clustering, so that blocks of similar tasks are visible."""
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(similarity.tasks) < 3:
        return list(range(len(similarity.tasks)))
    matrix = np.array([[0.0 if v is None else v for v in row] for row in similarity.matrix])
    distances = 1 - (matrix + matrix.T) / 2
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return [int(at) for at in leaves_list(tree)]
