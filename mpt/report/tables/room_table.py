"""The room of tasks as a table with its summary: for a terminal, a file, or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev

from mpt.errors import ConfigError
from mpt.files.atomic import write_whole
from mpt.report import words
from mpt.report.json_text import json_text
from mpt.report.tables.columns import Column, as_grid, as_records, as_values
from mpt.report.tables.grid import Grid, Sheet, latex, markdown
from mpt.report.tables.records import csv_text
from mpt.stats.room import ABOVE_CHANCE, ENOUGH, SOLVED, RoomCount, TaskRoom, room_counts

SCHEMA = 1
"""Version of the JSON that ``room_json`` returns; renaming a key requires a new version."""

SUFFIXES = (".csv", ".md", ".tex")
"""Ends of the names of files that ``write_rooms`` writes."""

_TITLE = "Room: an oracle's score minus that of plain few-shot prompt tuning"


def room_columns(*, fine_tuned: bool) -> list[Column[TaskRoom]]:
    """Return the columns of the table; ``fine_tuned`` adds full fine-tuning."""
    columns = [
        _text("task", lambda one: one.task, heading="Task"),
        _text("role", lambda one: one.role, heading="role"),
        _text("metric", lambda one: one.metric),
        _score("oracle", lambda one: one.oracle),
        _spread("few-shot", "few_shot", lambda one: one.few_shot),
        _score("room", lambda one: one.room),
        _score("chance", lambda one: one.chance),
        _score("majority", lambda one: one.majority),
    ]
    if fine_tuned:
        columns.append(_spread("fine-tuning", "fine_tuned", lambda one: one.fine_tuned))
    rows = Column[TaskRoom](
        "rows",
        lambda one: f"{one.rows:,}",
        cells={"rows": lambda one: one.rows, "dev_rows": lambda one: one.dev_rows},
        values={"rows": lambda one: one.rows, "dev_rows": lambda one: one.dev_rows},
    )
    oracle = Column[TaskRoom](
        cells={
            "oracle_lr": lambda one: one.oracle_lr,
            "rising": lambda one: int(one.rising),
            "digest": lambda one: one.oracle_digest or None,
        },
        values={
            "oracle_lr": lambda one: one.oracle_lr,
            "rising": lambda one: one.rising,
            "digest": lambda one: one.oracle_digest,
        },
    )
    return [*columns, rows, oracle]


def ranked(rooms: Sequence[TaskRoom]) -> list[TaskRoom]:
    """Return the tasks with the most room first, those without a score last."""
    return sorted(rooms, key=lambda one: (-one.room if isfinite(one.room) else 2.0, one.task))


def room_sheet(rooms: Sequence[TaskRoom]) -> Sheet:
    """Return the table, most room first, the tasks with room marked, and its summary below."""
    return Sheet(_grid(rooms), _TITLE, tuple(room_notes(rooms)))


def room_notes(rooms: Sequence[TaskRoom]) -> Iterator[str]:
    """Yield the summary, a sentence each: how many tasks have room, and which do not."""
    yield from map(_count_line, room_counts(rooms))
    if without := [one.task for one in ranked(rooms) if not one.has_room]:
        yield f"Without room (below {ENOUGH:g}): {', '.join(without)}"
    if rising := [one.task for one in rooms if one.rising]:
        yield (
            "The dev curve of the oracle was still rising at its end, so that there may be more "
            f"room (give more --updates): {', '.join(rising)}"
        )


def room_json(rooms: Sequence[TaskRoom], left_out: Sequence[str]) -> str:
    """Format the table and its summary as JSON: unrounded, null where there is no score.

    Args:
        left_out: why tasks were not measured.
    """
    columns = room_columns(fine_tuned=True)
    thresholds = {"oracle": SOLVED, "room": ENOUGH, "above_chance": ABOVE_CHANCE}
    return json_text(
        {
            "schema": SCHEMA,
            "thresholds": thresholds,
            "tasks": [as_values(columns, one) for one in ranked(rooms)],
            "counts": [asdict(count) for count in room_counts(rooms)],
            "without_room": [one.task for one in ranked(rooms) if not one.has_room],
            "left_out": list(left_out),
        }
    )


def write_rooms(path: Path, rooms: Sequence[TaskRoom]) -> None:
    """Write the table as CSV, Markdown or LaTeX, by the end of the file's name.

    Raises:
        ConfigError: another end, or the file cannot be written.
    """
    check_suffix(path)
    records = as_records(room_columns(fine_tuned=_is_fine_tuned(rooms)), ranked(rooms))
    match path.suffix:
        case ".csv":
            text = csv_text(records)
        case ".md":
            text = markdown(_grid(rooms)) + "\n"
        case _:
            text = latex(_grid(rooms), _TITLE)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None


def check_suffix(path: Path) -> None:
    """Raise ``ConfigError`` for a file whose name does not end as one of ``SUFFIXES``."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"--out is {str(path)!r}", fix=f"give a file that ends in {' or '.join(SUFFIXES)}"
        )


def _grid(rooms: Sequence[TaskRoom]) -> Grid:
    rows = ranked(rooms)
    marked = frozenset(at for at, one in enumerate(rows) if one.has_room)
    return as_grid(room_columns(fine_tuned=_is_fine_tuned(rooms)), rows, marked=marked)


def _is_fine_tuned(rooms: Sequence[TaskRoom]) -> bool:
    return any(one.fine_tuned for one in rooms)


def _count_line(count: RoomCount) -> str:
    return (
        f"{count.of}: oracle >= {SOLVED:g} on {count.solvable} of {count.tasks} tasks, "
        f"room >= {ENOUGH:g} on {count.with_room}, few-shot between chance + {ABOVE_CHANCE:g} "
        f"and {SOLVED:g} on {count.in_between}"
    )


def _text(key: str, value: Callable[[TaskRoom], str], *, heading: str = "") -> Column[TaskRoom]:
    return Column(heading, value, "l", cells={key: value}, values={key: value})


def _score(key: str, value: Callable[[TaskRoom], float]) -> Column[TaskRoom]:
    def known(one: TaskRoom) -> float | None:
        return value(one) if isfinite(value(one)) else None

    return Column(key, lambda one: words.score(value(one)), cells={key: known}, values={key: known})


def _spread(
    heading: str, key: str, tests: Callable[[TaskRoom], Sequence[float]]
) -> Column[TaskRoom]:
    """Return the column of a mean over data seeds with its standard deviation."""

    def mean(one: TaskRoom) -> float | None:
        return fmean(tests(one)) if tests(one) else None

    def sd(one: TaskRoom) -> float | None:
        return stdev(tests(one)) if len(tests(one)) > 1 else None

    def text(one: TaskRoom) -> str:
        spread = sd(one)
        return words.score(mean(one)) + ("" if spread is None else f" ± {spread:.3f}")

    return Column(
        heading,
        text,
        cells={key: mean, f"{key}_sd": sd},
        values={key: mean, f"{key}_sd": sd, f"{key}_seeds": lambda one: list(tests(one))},
    )
