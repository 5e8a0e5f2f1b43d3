"""The matrix of a campaign, as a table or as lines of text, a setting each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mpt.report.tables.grid import Grid
from mpt.report.words import clock, method_names

if TYPE_CHECKING:
    from mpt.lab.matrix import Count, Matrix


def matrix_grid(matrix: Matrix) -> Grid:
    """Settings down, methods across: units done of all, and how many failed."""
    names = method_names(row.method for row in matrix.rows)
    rows = tuple(
        (setting, *(_cell(counts.get(method)) for method in names))
        for setting, counts in _by_setting(matrix).items()
    )
    return Grid(("setting", *names.values()), rows, "l" + "r" * len(names))


def matrix_lines(matrix: Matrix) -> Iterator[str]:
    """The same without a terminal."""
    names = method_names(row.method for row in matrix.rows)
    for setting, counts in _by_setting(matrix).items():
        cells = (f"{names[method]} {_cell(count)}" for method, count in counts.items())
        yield f"  {setting}: {', '.join(cells)}"
    yield f"  {summary(matrix)}"


def summary(matrix: Matrix) -> str:
    """``214 units: 120 done, 0 failed, 94 left, about 4:10``."""
    count, seconds = matrix.all, matrix.seconds_left
    units = count.done + count.failed + count.left
    soon = f", about {clock(seconds)}" if seconds else ""
    return f"{units} units: {count.done} done, {count.failed} failed, {count.left} left{soon}"


def _by_setting(matrix: Matrix) -> dict[str, dict[str, Count]]:
    found: dict[str, dict[str, Count]] = {}
    for row in matrix.rows:
        found.setdefault(row.part, {})[row.method] = matrix.count(row)
    return found


def _cell(count: Count | None) -> str:
    if count is None:
        return ""
    failed = f" ({count.failed} failed)" if count.failed else ""
    return f"{count.done}/{count.done + count.failed + count.left}{failed}"
