"""Tables as rows of text, printed alike by the terminal, Markdown, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpt.files import escaping as foreign


@dataclass(frozen=True, slots=True)
class Grid:
    """Hold a header and rows of text.

    Attributes:
        align: a letter per column: ``l`` for names and words, ``r`` for numbers.
        marked: indices of rows to print in bold.
        grouped: whether neighbouring rows with the same first cell belong together.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    marked: frozenset[int] = frozenset()
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold a table for the terminal, with its title above and its notes below."""

    grid: Grid
    title: str = ""
    notes: tuple[str, ...] = ()


def markdown(grid: Grid) -> str:
    """Format the grid as a Markdown table."""
    rule = [":--" if side == "l" else "--:" for side in grid.align]
    header = tuple(map(foreign.markdown, grid.header))
    lines = [header, rule, *(_bold(grid, at, row) for at, row in enumerate(grid.rows))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(grid: Grid, caption: str) -> str:
    """Format the grid as a LaTeX table; the document needs ``\\usepackage{booktabs}``."""
    body = [_line(map(foreign.latex, grid.header)), r"\midrule"]
    before = None
    for at, row in enumerate(grid.rows):
        if grid.grouped and before not in (None, row[0]):
            body.append(r"\addlinespace")
        cells = [foreign.latex(cell) for cell in row]
        if at in grid.marked:
            cells[2] = rf"\textbf{{{cells[2]}}}"
        body.append(_line(cells))
        before = row[0]
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\begin{{tabular}}{{{grid.align}}}",
        r"\toprule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{foreign.latex(caption)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    line = " & ".join(cells) + r" \\"
    # LaTeX would take either of these as an argument of the `\\` in the line above
    return f"{{}}{line}" if line[0] in "[*" else line


def _bold(grid: Grid, at: int, row: tuple[str, ...]) -> tuple[str, ...]:
    cells = tuple(map(foreign.markdown, row))
    if at not in grid.marked:
        return cells
    return tuple(f"**{cell}**" if cell else cell for cell in cells)
