"""Heat maps: tiles coloured by a number, with the number written in each where there is room."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from mpt.report.style import FAINT, INK, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mpt.lab.similarity import Similarity

LEGIBLE = 16
"""More rows than this leave no room for numbers in the tiles."""


def similarity_figure(found: Similarity) -> Figure:
    """How much of the row's prompt lies in the column's subspace; tasks that are alike are near."""
    import numpy as np

    order = _by_likeness(found)
    table = np.array([[v if v is not None else nan for v in row] for row in found.matrix])
    table, names = table[np.ix_(order, order)], [found.tasks[at] for at in order]
    side = min(13.0, max(4.2, 2.6 + 0.34 * len(names)))
    figure, axes = canvas(side + 0.8, side)
    apart = table[~np.eye(len(names), dtype=bool)]
    top = max(0.05, float(np.nanmax(apart, initial=0.0)))
    shown = tiles(axes, table, vmin=0.0, vmax=top, cmap="cividis", digits=2)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    bar = figure.colorbar(shown, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label(f"correlation (by chance about {found.chance:.2f})", color=INK, fontsize=9)
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def tiles(axes: Axes, table: Any, *, digits: int, signed: bool = False, **look: Any) -> Any:
    """Tiles of a table ``[rows, columns]``; NaN is left blank with a dot in it."""
    import numpy as np

    shown = axes.imshow(np.ma.masked_invalid(table), aspect="auto", **look)
    axes.spines[:].set_visible(False)
    rows, columns = table.shape
    for row in range(rows):
        for column in range(columns):
            value = table[row, column]
            if not np.isfinite(value):
                axes.text(column, row, "·", color=FAINT, ha="center", va="center")
            elif max(rows, columns) <= LEGIBLE:
                text = f"{value:{'+' if signed else ''}.{digits}f}"
                ink = _readable(shown.cmap(shown.norm(value)))
                axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=8)
    return shown


def _readable(colour: Any) -> str:
    """Black or white, whichever is read more easily on a colour (relative luminance)."""
    red, green, blue = colour[:3]
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45 else INK


def _by_likeness(found: Similarity) -> list[int]:
    """Tasks in the order of a hierarchical clustering, so that blocks of alike ones show."""
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(found.tasks) < 3:
        return list(range(len(found.tasks)))
    known = np.array([[0.0 if v is None else v for v in row] for row in found.matrix])
    apart = 1 - (known + known.T) / 2
    np.fill_diagonal(apart, 0.0)
    ways = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    return [int(at) for at in leaves_list(ways)]
