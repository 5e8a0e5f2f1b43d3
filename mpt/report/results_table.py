"""Tables of results as CSV files, a downstream cell a row; errors name the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

from mpt.errors import ResultsError
from mpt.files.escaping import from_csv_cell, is_formula
from mpt.files.table import Line, read_table
from mpt.gym.metrics import is_possible, limits
from mpt.stats.scores import Score

REQUIRED = ("method", "task", "seed", "dev", "test")
"""Columns that a table must have, in any order and beside any others."""

NAMES = ("setting", "method", "task")
"""Columns of names; an apostrophe before what would be a formula is that of ``csv_cell``."""

OPTIONAL = ("setting", "lr", "bsz", "meta_seed")
"""Columns with a meaning that a table may leave out."""

ONE_SETTING = "all"
"""The setting of every row where the table has no such column."""

_WHOLE = re.compile(r"([-+]?[0-9]{1,18})(?:\.0*)?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

Row = Mapping[str, str]


def read_scores(path: Path) -> list[Score]:
    """The cells of a table of results.

    Columns ``method, task, seed, dev, test`` and, if there are any, ``setting`` (else one setting
    called ``all``), ``lr`` and ``bsz``: rows that differ in these two are alternatives between
    which the dev score chooses; ``meta_seed``: rows that differ in it are repetitions, of which
    the mean counts. Other columns are ignored.

    Raises:
        DataError: not a readable table, a column missing; see ``mpt.files.table.read_table``.
        ResultsError: an empty name, a value that is not a number, a cell given twice, or a score
            out of its range, see ``within_range``. The message names the line.
    """
    _, table = read_table(path, REQUIRED, "; each row is one (task, seed) cell")
    return within_range(path, [line.number for line in table], list(_scores(path, table)))


def within_range(path: Path, lines: Sequence[int], scores: Sequence[Score]) -> list[Score]:
    """The scores as fractions of 1; of a column that is in percent, a hundredth of each.

    Args:
        path: the table, for errors.
        lines: where each of ``scores`` stands in it.

    Raises:
        ResultsError: fractions beside percent, or a score that its task's metric cannot give.
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
                    f"{low:g} and {high:g}; mend the number, or take the row out"
                )
    return list(scores)


def _is_percent(path: Path, lines: Sequence[int], column: str, values: Sequence[float]) -> bool:
    """Whether a column is in percent: nothing in it but zeros is within 1."""
    large = next((at for at, value in enumerate(values) if abs(value) > 1 + 1e-9), None)
    small = next((at for at, value in enumerate(values) if 0 < abs(value) <= 1 + 1e-9), None)
    if large is None or small is None:
        return large is not None
    raise ResultsError(
        f"{path}: {column} is {values[large]:g} in line {lines[large]} and {values[small]:g} in "
        f"line {lines[small]}: percent beside fractions; write every score as a fraction of 1"
    )


def _metric(task: str) -> str | None:
    """The metric of a task of CrossFit; others may have any."""
    from mpt.gym.build.catalogue import cards

    return cards()[task].metric if task in cards() else None


def _row(path: Path, line: Line, read: Callable[[str], str]) -> Row:
    row = {name: value.strip() for name, value in line.values.items()}
    row |= {name: read(row[name]) for name in NAMES if name in row}
    for name in NAMES:
        if row.get(name) == "":
            raise ResultsError(f"{path}, line {line.number}: the {name} is empty; name it")
    return row


def _scores(path: Path, table: Sequence[Line]) -> Iterator[Score]:
    met: dict[tuple[str | int | float | None, ...], int] = {}
    # a table in which a name looks like a formula was not written by `csv_cell`
    names = (one.values[name].strip() for one in table for name in NAMES if name in one.values)
    read = str if any(map(is_formula, names)) else from_csv_cell
    for line, row in ((one.number, _row(path, one, read)) for one in table):
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
        if key in met:
            rate = "" if score.lr is None else f", lr {score.lr:g}"
            raise ResultsError(
                f"{path}: lines {met[key]} and {line} are the same cell ({score.setting}, "
                f"{score.method}, {score.task}, seed {score.seed}{rate}); keep one of them"
            )
        met[key] = line
        yield score


def _number(path: Path, line: int, column: str, value: str) -> float:
    # Python's own float reads 1_0 as ten, and digits of every script
    number = float(value) if _NUMBER.fullmatch(value) else float("nan")
    if isfinite(number):
        return number
    cure = "take a failed cell's row out"
    if re.fullmatch(r"[-+]?[\d.]*,\d+", value):
        cure = "write decimals with a point"
    elif value.endswith("%"):
        cure = "write a fraction, 0.5 for 50 %"
    raise ResultsError(f"{path}, line {line}: {column} is {value!r}, not a finite number; {cure}")


def _seed(path: Path, line: int, value: str) -> int:
    # pandas writes 13.0 where a column has gaps; float would round what has more than 15 digits
    if whole := _WHOLE.fullmatch(value):
        return int(whole[1])
    raise ResultsError(
        f"{path}, line {line}: seed is {value!r}, not a whole number; write one such as 13"
    )
