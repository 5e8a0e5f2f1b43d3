"""How `mpt gym` shows its answers on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mpt.api.gym import Built, Copied, Outcome, Reach, TaskDetails, TaskSummary, Verified
from mpt.commands.terminal.console import out
from mpt.report.words import clock


def print_tasks(tasks: Sequence[TaskSummary]) -> None:
    """Families, and under each a line per task: name, metric, k, how often source and target."""
    _note(f"  {'task':<46} {'metric':<19} k   roles")
    for family, members in groupby(sorted(tasks, key=_by_family), key=lambda task: task.family):
        own = list(members)
        _note(f"{family}: {len(own)} tasks")
        for task in own:
            ends = Counter(role.rsplit(" ", 1)[-1] for role in task.roles)
            roles = f"{ends['source']}s {ends['target']}t{' v' if ends['validation'] else ''}"
            _note(f"  {task.task:<46} {task.metric:<19} {task.k}  {roles}")
    _note(f"{len(tasks)} tasks: metric, k, source (s) and target (t) of so many settings of the")
    _note("paper, validation (v); `mpt gym show TASK` tells the rest, --json everything")


def _by_family(task: TaskSummary) -> tuple[str, str]:
    return task.family, task.task


def print_task(shown: TaskDetails) -> None:
    """The card, and the examples where a gym was given."""
    for name, value in (
        ("task", shown.task),
        ("family", f"{shown.family} / {shown.subfamily}"),
        ("metric", shown.metric),
        ("k", f"{shown.k} per {'class' if shown.kind == 'classification' else 'task'}"),
        ("source", f"{shown.source} ({shown.hub or 'no Hub repository known'})"),
        ("licence", shown.licence),
        ("checksum", f"{shown.checksum} {shown.reason}".strip()),
        ("input", shown.input),
        ("roles", ", ".join(shown.roles) or "in no setting of the paper"),
        ("rows in 2021", ", ".join(f"{split} {n:,}" for split, n in shown.rows.items())),
        *((f"{part} size", str(size)) for part, size in shown.sizes.items()),
        *((f"{one.part} rows", _reach(one)) for one in shown.reach),
        ("labels", ", ".join(shown.labels)),
        *((f"{part} example", text) for part, text in shown.examples.items()),
        *(("note", note) for note in shown.notes),
    ):
        if value:
            _note(f"{name:<16}{value}")


def _reach(one: Reach) -> str:
    """How many inputs are cut and how many answers cannot be written."""
    example = f" ({one.example})" if one.shown else ""
    return (
        f"{one.cut} of {one.inputs} inputs cut at {one.max_input} tokens, {one.lost} of "
        f"{one.answers} answers cannot be written within {one.max_target}{example}"
    )


def print_outcomes(outcomes: Sequence[Outcome], to: Path) -> None:
    """What was built, and in full what was not."""
    counts = Counter(outcome.state for outcome in outcomes)
    official = sum(outcome.official == outcome.files == 15 for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    _note(f"{len(outcomes)} tasks in {to}: {_counted(counts)} ({clock(seconds)} of work)")
    if any(outcome.official is not None for outcome in outcomes):
        _note(f"{official} of them have all 15 official MD5s")
    for outcome in outcomes:
        if outcome.state == "short":
            _note(f"short   {outcome.task}: {outcome.note} ({_ratio(outcome)} files official)")
    for note, tasks in _failures(outcomes).items():
        _note(f"failed  {_named(tasks)}: {note}")


def print_left_out(built: Built) -> None:
    """Which tasks the source has no rows for, so that none is missing in silence."""
    if tasks := built.left_out:
        of = f"{len(tasks)} of the {built.known} tasks have"
        _note(f"{of} no test rows in {built.source}: {_named(tasks)}")


def _named(tasks: Sequence[str]) -> str:
    """The tasks, the first ten of many."""
    return ", ".join(tasks[:10]) + (f" and {len(tasks) - 10} more" if len(tasks) > 10 else "")


def _failures(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Tasks by what stopped them: a full disk stops many, and is told once."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.state == "failed":
            note = outcome.note.removeprefix(f"{outcome.task}: ")
            found.setdefault(note, []).append(outcome.task)
    return found


def print_comparisons(verified: Verified) -> None:
    """One line per task, then the sum."""
    width = max(len(one.task) for one in verified.tasks)
    for one in verified.tasks:
        mark = "FAIL" if one in verified.failing else "ok"
        ratio = f"{one.matching}/{one.files}"
        line = f"{mark:<5}{one.task:<{width}} {ratio:>6}  {one.state}"
        _note(f"{line}: {one.note}" if one.note else line)
    counts = Counter(one.state for one in verified.tasks)
    _note(f"{len(verified.tasks)} tasks: {_counted(counts)}")


def print_copies(copies: Sequence[Copied], to: Path) -> None:
    """What was copied, and in full what was not."""
    counts = Counter(copied.state for copied in copies)
    _note(f"{len(copies)} splits in {to}: {_counted(counts)}")
    for copied in copies:
        if copied.state in ("failed", "absent"):
            _note(f"{copied.state:<8}{copied.data}: {copied.note}".rstrip(": "))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _ratio(outcome: Outcome) -> str:
    return "no" if outcome.official is None else f"{outcome.official} of {outcome.files}"


def _note(line: str) -> None:
    out.line(line)
