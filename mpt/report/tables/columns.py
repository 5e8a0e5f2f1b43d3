"""Columns of the tables of trials and of gains, each defined once for people and for programs.

A terminal, Markdown, LaTeX and HTML print ``text`` under ``heading`` (``mpt.report.tables.grid``);
CSV and parquet hold ``cells``; JSON holds ``values``. Numbers for programs are not rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mpt.report import words
from mpt.report.tables.grid import Grid
from mpt.search.trial import Trial
from mpt.stats.intervals import Interval
from mpt.stats.scores import Gain

T = TypeVar("T")

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Records:
    """Hold a table for programs: named columns, rows of numbers and strings, None for no value."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Column(Generic[T]):
    """Define one column of a table of rows ``T``.

    Attributes:
        heading: printed for people; empty for a column that programs alone read.
        brief: printed instead where a table must fit a terminal.
        text: what is printed for a row.
        align: ``l`` or ``r``, as in ``Grid``.
        cells: columns of CSV and parquet by name.
        values: keys of JSON.
    """

    heading: str = ""
    brief: str = field(default="", kw_only=True)
    text: Callable[[T], str] = field(default=lambda row: "")
    align: str = "r"
    cells: Mapping[str, Callable[[T], Cell]] = field(default_factory=dict)
    values: Mapping[str, Callable[[T], object]] = field(default_factory=dict)


def as_grid(
    columns: Sequence[Column[T]],
    rows: Iterable[T],
    *,
    marked: frozenset[int] = frozenset(),
    grouped: bool = False,
    brief: bool = False,
) -> Grid:
    """Format rows for people, in the columns that have a heading; ``brief`` for a terminal."""
    shown = [column for column in columns if column.heading]
    return Grid(
        tuple((brief and column.brief) or column.heading for column in shown),
        tuple(tuple(column.text(row) for column in shown) for row in rows),
        "".join(column.align for column in shown),
        marked,
        grouped,
    )


def as_records(columns: Sequence[Column[T]], rows: Iterable[T]) -> Records:
    """Convert rows to the cells of CSV and parquet."""
    cells = {name: cell for column in columns for name, cell in column.cells.items()}
    return Records(tuple(cells), tuple(tuple(cell(row) for cell in cells.values()) for row in rows))


def as_values(columns: Sequence[Column[T]], row: T) -> dict[str, object]:
    """Convert a row to the keys and values of JSON."""
    return {key: value(row) for column in columns for key, value in column.values.items()}


def trial_columns(
    trials: Sequence[Trial], best: Trial | None = None, *, is_long: bool = False
) -> list[Column[Trial]]:
    """Return the columns of a study's trials.

    Args:
        trials: define the columns of hyper-parameters.
        best: the trial to mark with an asterisk before its number.
        is_long: add digests and reasons, for which a page has room.
    """
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    head = Column[Trial](
        "Trial",
        lambda trial: f"{'* ' if trial is best else ''}{trial.number}",
        cells={"trial": lambda trial: trial.number},
        values={
            "number": lambda trial: trial.number,
            "state": lambda trial: trial.state,
            "params": lambda trial: dict(trial.params),
        },
    )
    state = Column[Trial](
        "state",
        lambda trial: _ended(trial) if is_long else trial.state,
        "l",
        cells={"state": lambda trial: trial.state, "reason": lambda trial: trial.reason},
        values={
            "error": lambda trial: trial.error,
            "step": lambda trial: trial.step,
            "reason": lambda trial: trial.reason,
        },
    )
    return [head, *map(_param, names), *_arg_of_trial(), _time(is_long), _digest(is_long), state]


def gain_columns(
    names: Mapping[str, str],
    *,
    learned: Callable[[Gain], str] | None = None,
    papers: Mapping[tuple[str, str], float] | None = None,
    paper: str = "",
) -> list[Column[Gain]]:
    """Return the columns of average relative gains.

    Args:
        names: printed name of each method, see ``words.method_names``.
        learned: returns the digests of the meta-trainings behind a gain.
        papers: published ARG by setting and method, under the heading ``paper``.
    """
    columns = [
        Column[Gain](
            "Setting",
            lambda gain: gain.setting,
            "l",
            cells={"setting": lambda gain: gain.setting},
            values={"setting": lambda gain: gain.setting},
        ),
        Column[Gain](
            "Method",
            lambda gain: names[gain.method],
            "l",
            cells={"method": lambda gain: gain.method, "baseline": lambda gain: gain.baseline},
            values={"method": lambda gain: gain.method, "baseline": lambda gain: gain.baseline},
        ),
        Column[Gain](
            "ARG %",
            lambda gain: words.percent(gain.arg),
            cells={"arg": lambda gain: gain.arg},
            values={"arg": lambda gain: gain.arg},
        ),
        Column[Gain](
            "95 % interval",
            lambda gain: words.interval(gain.interval),
            cells={"low": lambda gain: gain.low, "high": lambda gain: gain.high},
            values={"interval": lambda gain: _pair(gain.interval)},
        ),
        Column[Gain](
            "seeds only",
            lambda gain: words.interval(gain.seed_interval),
            cells={
                "seed_low": lambda gain: gain.seed_interval.low,
                "seed_high": lambda gain: gain.seed_interval.high,
            },
            values={"seed_interval": lambda gain: _pair(gain.seed_interval)},
        ),
        Column[Gain](
            "tasks × seeds",
            lambda gain: f"{_share(gain)} × {len(gain.seeds)}",
            brief="n",
            cells={"tasks": lambda gain: len(gain.per_task), "seeds": lambda gain: len(gain.seeds)},
            values={
                "tasks": lambda gain: list(gain.tasks),
                "seeds": lambda gain: list(gain.seeds),
                "per_task": lambda gain: dict(gain.per_task),
                "by_meta_seed": lambda gain: {str(s): a for s, a in gain.by_meta_seed.items()},
                "zero_baseline": lambda gain: list(gain.zero_baseline),
                "missing": _missing,
            },
        ),
    ]
    if papers:
        columns.append(Column(f"paper, {paper}", lambda gain: _published(papers, gain)))
    if learned is not None:
        cells: dict[str, Callable[[Gain], Cell]] = {"digest": lambda gain: learned(gain) or None}
        columns.append(Column("digest", learned, "l", cells=cells))
    return columns


def trial_interval(trial: Trial) -> Interval:
    """Return a trial's interval, with NaN as ends where it has none."""
    nan = float("nan")
    return Interval(
        nan if trial.low is None else trial.low, nan if trial.high is None else trial.high
    )


def _param(name: str) -> Column[Trial]:
    return Column(
        name.replace("_", " "),
        lambda trial: words.param(trial.params.get(name, "")),
        cells={name: lambda trial: trial.params.get(name)},
    )


def _arg_of_trial() -> list[Column[Trial]]:
    return [
        Column(
            "ARG %",
            lambda trial: words.percent(trial.arg),
            cells={"arg": lambda trial: trial.arg},
            values={"arg": lambda trial: trial.arg},
        ),
        Column(
            "95 % interval",
            lambda trial: words.interval(trial_interval(trial)),
            cells={"low": lambda trial: trial.low, "high": lambda trial: trial.high},
            values={"interval": lambda trial: _pair(trial_interval(trial))},
        ),
    ]


def _time(is_shown: bool) -> Column[Trial]:
    return Column(
        "time" if is_shown else "",
        _shown_time,
        cells={"seconds": _seconds},
    )


def _shown_time(trial: Trial) -> str:
    seconds = _seconds(trial)
    return "" if seconds is None else words.clock(seconds)


def _seconds(trial: Trial) -> float | None:
    """Return how long a trial took, from its start to its end; None if it has not ended."""
    has_times = trial.started and trial.ended
    return (trial.ended - trial.started) / 1000 if has_times else None


def _digest(is_shown: bool) -> Column[Trial]:
    return Column(
        "digest" if is_shown else "",
        lambda trial: trial.digest,
        "l",
        cells={"digest": lambda trial: trial.digest},
        values={"digest": lambda trial: trial.digest},
    )


def _ended(trial: Trial) -> str:
    return f"{trial.state}{': ' if trial.reason else ''}{trial.reason}"


def _share(gain: Gain) -> str:
    part, whole = len(gain.per_task), len(gain.tasks)
    return str(whole) if part == whole else f"{part} of {whole}"


def _missing(gain: Gain) -> list[dict[str, object]]:
    return [
        {"method": gap.method, "task": gap.task, "seeds": list(gap.seeds)} for gap in gain.missing
    ]


def _published(papers: Mapping[tuple[str, str], float], gain: Gain) -> str:
    value = papers.get((gain.setting, gain.method))
    return "" if value is None else words.percent(value)


def _pair(interval: Interval) -> list[float] | None:
    return [interval.low, interval.high] if interval.known else None
