"""Tables of results as CSV files, a downstream cell a row; errors name the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

from mpt.errors import ResultsError
from mpt.files.escaping import from_csv_cell, is_formula
from mpt.files.table import Line, check_columns, read_table
from mpt.gym.metrics import is_possible, limits
from mpt.stats.scores import Score

REQUIRED = ("method", "task", "seed", "dev", "test")
"""Columns that a table must have, in any order; it may have others."""

NAMES = ("setting", "method", "task")
"""Columns of names, in which ``csv_cell`` puts an apostrophe before what would be a formula."""

ONE_SETTING = "all"
"""The setting of every row where the table has no such column."""

IN_MEMORY = Path("the table")
"""What errors call a table that lies in no file; its lines are rows, counted from 1."""

_WHOLE = re.compile(r"([-+]?[0-9]{1,18})(?:\.0*)?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

Row = Mapping[str, str]


def read_scores(path: Path) -> list[Score]:
    """Read the scores of a table of results.

    The table has the columns ``method, task, seed, dev, test`` and may have ``setting`` (by
    default one setting called ``all``), ``lr`` and ``bsz``: rows that differ in these two are
    alternatives between which the dev score chooses; ``meta_seed``: rows that differ in it are
    repetitions, of which the mean counts. Other columns are ignored.

    Raises:
        DataError: the table cannot be read or lacks a column; see ``mpt.files.table.read_table``.
        ResultsError: a name is empty, a value is not a number, a cell is given twice, or a score
            is out of range, see ``within_range``. The message names the line.
    """
    _, table = read_table(path, REQUIRED, "; each row is one (task, seed) cell")
    return within_range(path, [line.number for line in table], list(_scores(path, table)))


def scores_of_rows(rows: Sequence[Mapping[str, object]]) -> list[Score]:
    """Return the cells of a table that is held in memory, numbers as numbers, columns by name.

    Raises:
        DataError, ResultsError: see ``read_scores``; the row is named, counted from 1.
    """
    table = [
        Line(at, {name: str(value) for name, value in row.items()})
        for at, row in enumerate(rows, start=1)
    ]
    check_columns(IN_MEMORY, tuple(rows[0]) if rows else (), REQUIRED)
    scores = list(_scores(IN_MEMORY, table))
    return within_range(IN_MEMORY, [line.number for line in table], scores)


def within_range(path: Path, lines: Sequence[int], scores: Sequence[Score]) -> list[Score]:
    """Return the scores as fractions of 1; a column in percent is divided by 100.

    Args:
        path: the table, for errors.
        lines: the line of each of ``scores`` in it.

    Raises:
        ResultsError: a column mixes fractions and percent, or a score is impossible for the metric
            of its task.
    """
    for column in ("dev", "test"):
        values = [getattr(score, column) for score in scores]
        unit = " %" if _is_percent(path, lines, column, values) else ""
        if unit:
            scores = [replace(score, **{column: getattr(score, column) / 100}) for score in scores]
        for line, score, value in zip(lines, scores, values, strict=True):
            metric = _metric(score.task)
            if not is_possible(metric, getattr(score, column)):
                low, high = limits(metric)
                what = f"{metric} of {score.task} lies" if metric else "scores lie"
                raise ResultsError(
                    f"{path}, line {line}: {column} is {value:g}{unit}, but {what} between "
                    f"{low:g} and {high:g}",
                    fix="correct the number, or remove the row",
                )
    return list(scores)


def _is_percent(path: Path, lines: Sequence[int], column: str, values: Sequence[float]) -> bool:
    """Return whether a column is in percent: no value in it but zero is within 1."""
    large = next((at for at, value in enumerate(values) if abs(value) > 1 + 1e-9), None)
    small = next((at for at, value in enumerate(values) if 0 < abs(value) <= 1 + 1e-9), None)
    if large is None or small is None:
        return large is not None
    raise ResultsError(
        f"{path}: {column} is {values[large]:g} in line {lines[large]} and {values[small]:g} in "
        f"line {lines[small]}: a mix of percent and fractions",
        fix="write every score as a fraction of 1",
    )


def _metric(task: str) -> str | None:
    """Return the metric of a CrossFit task; None for other tasks, which may have any."""
    from mpt.gym.build.catalogue import cards

    return cards()[task].metric if task in cards() else None


def _row(path: Path, line: Line, read: Callable[[str], str]) -> Row:
    row = {name: value.strip() for name, value in line.values.items()}
    row |= {name: read(row[name]) for name in NAMES if name in row}
    for name in NAMES:
        if row.get(name) == "":
            raise ResultsError(
                f"{path}, line {line.number}: the {name} is empty",
                fix="name it",
            )
    return row


def _scores(path: Path, table: Sequence[Line]) -> Iterator[Score]:
    line_of: dict[tuple[str | int | float | None, ...], int] = {}
    # `csv_cell` leaves no name that looks like a formula, so such a table has another writer
    rows = (line.values for line in table)
    names = (values[name].strip() for values in rows for name in NAMES if name in values)
    read = str if any(map(is_formula, names)) else from_csv_cell
    for line, row in ((entry.number, _row(path, entry, read)) for entry in table):
        score = Score(
            setting=row.get("setting", ONE_SETTING),
            method=row["method"],
            task=row["task"],
            seed=_seed(path, line, row["seed"]),
            dev=_number(path, line, "dev", row["dev"]),
            test=_number(path, line, "test", row["test"]),
            lr=_number(path, line, "lr", row["lr"]) if row.get("lr") else None,
            meta_seed=_seed(path, line, row["meta_seed"]) if row.get("meta_seed") else 0,
        )
        cell = (score.setting, score.method, score.task, score.seed, score.meta_seed)
        key = (*cell, score.lr, row.get("bsz"))
        if key in line_of:
            rate = "" if score.lr is None else f", lr {score.lr:g}"
            raise ResultsError(
                f"{path}: lines {line_of[key]} and {line} are the same cell ({score.setting}, "
                f"{score.method}, {score.task}, seed {score.seed}{rate})",
                fix="keep one of them",
            )
        line_of[key] = line
        yield score


def _number(path: Path, line: int, column: str, value: str) -> float:
    # Python's float() would also accept 1_0 and the digits of other scripts
    number = float(value) if _NUMBER.fullmatch(value) else float("nan")
    if isfinite(number):
        return number
    cure = "remove the row of a failed cell"
    if re.fullmatch(r"[-+]?[\d.]*,\d+", value):
        cure = "write decimals with a point"
    elif value.endswith("%"):
        cure = "write a fraction, 0.5 for 50 %"
    raise ResultsError(
        f"{path}, line {line}: {column} is {value!r}, not a finite number",
        fix=f"{cure}",
    )


def _seed(path: Path, line: int, value: str) -> int:
    # pandas writes 13.0 where a column has gaps; float() would round more than 15 digits
    if whole := _WHOLE.fullmatch(value):
        return int(whole[1])
    raise ResultsError(
        f"{path}, line {line}: seed is {value!r}, not a whole number",
        fix="write one such as 13",
    )
