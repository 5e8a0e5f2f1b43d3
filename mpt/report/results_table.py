"""Tables of results as CSV files, a downstream cell a row; errors name the line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from mpt.errors import ResultsError
from mpt.gym.metrics import is_possible, limits
from mpt.scores import Score

REQUIRED = ("method", "task", "seed", "dev", "test")
"""Columns that a table must have, in any order and beside any others."""

OPTIONAL = ("setting", "lr", "bsz", "meta_seed")
"""Columns with a meaning that a table may leave out."""

ONE_SETTING = "all"
"""The setting of every row where the table has no such column."""

Row = Mapping[str, str]


def read_scores(path: Path) -> list[Score]:
    """The cells of a table of results.

    Columns ``method, task, seed, dev, test`` and, if there are any, ``setting`` (else one setting
    called ``all``), ``lr`` and ``bsz``: rows that differ in these two are alternatives between
    which the dev score chooses; ``meta_seed``: rows that differ in it are repetitions, of which
    the mean counts. Other columns are ignored.

    Raises:
        ResultsError: no such file, not a CSV, a column missing, no rows, a row too long or too
            short, an empty name, a value that is not a number, or a cell given twice; a score out
            of its range, see ``within_range``. The message names the line.
    """
    try:
        # utf-8-sig: spreadsheets write a byte-order mark in front of the first column's name
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            names = [name.strip() for name in next(rows, [])]
            _check_columns(path, names)
            table = [(rows.line_num, _row(path, rows.line_num, names, row)) for row in rows if row]
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}); give a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{path} is not a CSV file in UTF-8: {error}") from None
    if not table:
        raise ResultsError(f"{path} has a header and no rows; each row is one (task, seed) cell")
    return within_range(path, [line for line, _ in table], list(_scores(path, table)))


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
    from mpt.gym.catalogue import cards

    return cards()[task].metric if task in cards() else None


def _check_columns(path: Path, names: list[str]) -> None:
    lost = [name for name in REQUIRED if name not in names]
    if lost and len(names) < 2:
        raise ResultsError(
            f"{path} is not a CSV file with a header: its first line should name the columns "
            f"{', '.join(('setting', *REQUIRED))}, separated by commas"
        )
    for name in lost:
        near = get_close_matches(name, [n for n in names if n not in REQUIRED], n=1)
        meant = f" - did you call it {near[0]!r}?" if near else "."
        raise ResultsError(
            f"{path} has no column {name!r}{meant} It has {', '.join(names)}; "
            f"needed are {', '.join(REQUIRED)}, and setting, lr where they vary"
        )
    twice = [name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1]
    if twice:
        raise ResultsError(f"{path} has the column {twice[0]!r} twice; take one out")


def _row(path: Path, line: int, names: list[str], values: list[str]) -> Row:
    if len(values) != len(names):
        raise ResultsError(
            f"{path}, line {line}: {len(values)} values under {len(names)} columns; "
            "quote values that hold a comma"
        )
    row = dict(zip(names, (value.strip() for value in values), strict=True))
    for name in ("setting", "method", "task"):
        if row.get(name) == "":
            raise ResultsError(f"{path}, line {line}: the {name} is empty; name it")
    return row


def _scores(path: Path, table: list[tuple[int, Row]]) -> Iterator[Score]:
    met: dict[tuple[str | int | float | None, ...], int] = {}
    for line, row in table:
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
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise ResultsError(
            f"{path}, line {line}: {column} is {value!r}, not a finite number; "
            "take a failed cell's row out"
        )
    return number


def _seed(path: Path, line: int, value: str) -> int:
    number = _number(path, line, "seed", value)
    if not number.is_integer():
        raise ResultsError(f"{path}, line {line}: seed is {value!r}, not a whole number")
    return int(number)
