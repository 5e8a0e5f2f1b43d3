"""Print tables on the terminal: names are printed literally, numbers are never truncated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mpt.files.escaping import name, visible
from mpt.report.tables.grid import Grid, Sheet

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROWEST = 12
"""Least width of a column of names on a narrow terminal; longer names are wrapped."""


def print_sheet(console: Console, sheet: Sheet) -> None:
    """Print a table with its title and notes.

    In a file or a pipe every row is one line, however long; on a terminal columns of names are
    narrowed to fit its width, as far as possible.
    """
    from rich.console import Console
    from rich.text import Text

    table = rich_table(sheet.grid, console.width if console.file.isatty() else None)
    if sheet.title:
        console.print(Text(visible(sheet.title), "bold"), soft_wrap=True)
    # `console` itself would cut the table at its own width
    wide = Console(file=console.file, width=max(_width(table), console.width))
    wide.print(table, crop=False)
    for note in sheet.notes:
        console.print(Text(visible(note)), soft_wrap=True)


def rich_table(grid: Grid, most: int | None = None) -> Table:
    """Convert the grid to a ``rich`` table: literal texts in columns of fixed widths.

    Args:
        grid: the table.
        most: the width to aim for; columns of numbers are never narrowed.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title, side, width in zip(grid.header, grid.align, _widths(grid, most), strict=True):
        justify = "left" if side == "l" else "right"
        table.add_column(Text(name(title)), justify=justify, width=width, overflow="fold")
    before = None
    for at, row in enumerate(grid.rows):
        cells = [Text(name(cell)) for cell in row]
        if grid.grouped and before is not None:
            if row[0] == before:
                cells[0] = Text()
            else:
                table.add_section()
        table.add_row(*cells, style="bold" if at in grid.marked else None)
        before = row[0]
    return table


def _widths(grid: Grid, most: int | None) -> list[int]:
    """Compute the width of each column in character cells: the widest names are narrowed first."""
    from rich.cells import cell_len

    widths, least = [], []
    for at, (title, side) in enumerate(zip(grid.header, grid.align, strict=True)):
        head = cell_len(name(title))
        body = max((cell_len(name(row[at])) for row in grid.rows), default=0)
        words = max(map(cell_len, name(title).split()), default=0)
        widths.append(max(head, body))
        least.append(max(words, body if side == "r" else min(body, NARROWEST)))
    while most is not None and sum(widths) + _between(widths) > most:
        spare = [at for at, width in enumerate(widths) if width > least[at]]
        if not spare:
            break
        widths[max(spare, key=lambda at: widths[at])] -= 1
    return widths


def _between(columns: Sequence[object]) -> int:
    """Count the characters beside the cells: two per column for blanks, and one at the edge."""
    return 2 * len(columns) + 1


def _width(table: Table) -> int:
    return sum(column.width or 0 for column in table.columns) + _between(table.columns)
