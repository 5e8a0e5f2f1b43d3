"""The matrix of a campaign on a terminal: a live table above the bar, or a line a setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from mpt.commands.console import clock
from mpt.report.words import method_name

if TYPE_CHECKING:
    from mpt.lab.matrix import Count, Matrix


def matrix_table(matrix: Matrix) -> Table:
    """Settings down, methods across: units done of all, and how many failed."""
    methods = list(dict.fromkeys(row.method for row in matrix.rows))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=summary(matrix))
    table.add_column("setting", no_wrap=True)
    for method in methods:
        table.add_column(method_name(method), justify="right", no_wrap=True)
    for setting, counts in _by_setting(matrix).items():
        table.add_row(setting, *(_cell(counts.get(method)) for method in methods))
    return table


def matrix_lines(matrix: Matrix) -> Iterator[str]:
    """The same without a terminal."""
    for setting, counts in _by_setting(matrix).items():
        told = (f"{method_name(method)} {_cell(count)}" for method, count in counts.items())
        yield f"  {setting}: {', '.join(told)}"
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
