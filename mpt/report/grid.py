"""A table as rows of text: what a terminal, Markdown, LaTeX and HTML print alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpt.files import escaping as foreign


@dataclass(frozen=True, slots=True)
class Grid:
    """A header and rows of text.

    Attributes:
        align: a letter a column: ``l`` for names and words, ``r`` for numbers.
        marked: rows to be set in bold.
        grouped: neighbours with the same first cell belong together.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    marked: frozenset[int] = frozenset()
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table for a terminal, with the lines above and below it."""

    grid: Grid
    title: str = ""
    notes: tuple[str, ...] = ()


def markdown(grid: Grid) -> str:
    """The grid as a Markdown table."""
    rule = [":--" if side == "l" else "--:" for side in grid.align]
    header = tuple(map(foreign.markdown, grid.header))
    lines = [header, rule, *(_bold(grid, at, row) for at, row in enumerate(grid.rows))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(grid: Grid, caption: str) -> str:
    """The grid as a LaTeX table; needs ``\\usepackage{booktabs}``."""
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
    # what stands above would take either of these as an argument
    return f"{{}}{line}" if line[0] in "[*" else line


def _bold(grid: Grid, at: int, row: tuple[str, ...]) -> tuple[str, ...]:
    cells = tuple(map(foreign.markdown, row))
    if at not in grid.marked:
        return cells
    return tuple(f"**{cell}**" if cell else cell for cell in cells)
