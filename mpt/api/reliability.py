"""The reliability of a ranking from a table of gains, such as several runs of one search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpt.errors import ResultsError
from mpt.stats.gain_table import Cell, crossed
from mpt.stats.reliability import Reliability
from mpt.stats.reliability import reliability as estimated

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("trial", "task", "seed", "gain")


def reliability(cells: pd.DataFrame) -> Reliability:
    """Estimate how far a ranking of trials can be relied on, from their gains cell by cell.

    A cell in several rows was computed several times, as by running one search in two homes: the
    variance among these rows is that of rounding.

    Args:
        cells: a (trial, task, data seed) a row, with its ``gain`` in percent, see
            ``Searched.cells``; NaN is no gain.

    Raises:
        ResultsError: a column is missing.

    Example::

        mpt.reliability(pd.concat([once.cells, again.cells])).components.rounding
    """
    if missing := [name for name in COLUMNS if name not in cells.columns]:
        raise ResultsError(
            f"the table has no column {missing[0]!r}",
            fix=f"give the columns {', '.join(COLUMNS)}",
        )
    gains: dict[str, dict[Cell, list[float]]] = {}
    for trial, task, seed, gain in cells[list(COLUMNS)].itertuples(index=False):
        gains.setdefault(str(trial), {}).setdefault((str(task), int(seed)), []).append(float(gain))
    return estimated(crossed(gains))
