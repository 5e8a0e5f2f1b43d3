"""How `mpt gym` shows its answers on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mpt.commands.console import clock, out
from mpt.gym.build import Outcome
from mpt.gym.catalogue import cards
from mpt.gym.mirror import Copied
from mpt.gym.overview import Listed, Shown
from mpt.gym.verify import FAILING, Verdict


def print_tasks(tasks: Sequence[Listed]) -> None:
    """One line per task: name, family, metric, k, how often source and target, data set."""
    _note(f"{'task':<53}{'family':<24}{'metric':<20}{'k':>3}  {'roles':<8}source")
    for task in tasks:
        ends = Counter(role.rsplit(" ", 1)[-1] for role in task.roles)
        roles = f"{ends['source']}s {ends['target']}t{' v' if ends['validation'] else ''}"
        facts = f"{task.task:<53}{task.family:<24}{task.metric:<20}{task.k:>3}"
        _note(f"{facts}  {roles:<8}{task.source}")
    _note(f"{len(tasks)} tasks (s: source, t: target of so many settings, v: validation)")


def print_task(shown: Shown) -> None:
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
        ("labels", ", ".join(shown.labels)),
        *((f"{part} example", text) for part, text in shown.examples.items()),
        *(("note", note) for note in shown.notes),
    ):
        if value:
            _note(f"{name:<16}{value}")


def print_outcomes(outcomes: Sequence[Outcome], to: Path) -> None:
    """What was built, and in full what was not."""
    counts = Counter(outcome.state for outcome in outcomes)
    official = sum(outcome.official == outcome.files == 15 for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _note(f"{len(outcomes)} tasks in {to}: {told} ({clock(seconds)} of work)")
    if any(outcome.official is not None for outcome in outcomes):
        _note(f"{official} of them have all 15 official MD5s")
    for outcome in outcomes:
        if outcome.state == "short":
            _note(f"short   {outcome.task}: {outcome.note} ({_ratio(outcome)} files official)")
    for note, tasks in _failures(outcomes).items():
        _note(f"failed  {', '.join(tasks)}: {note}")


def print_left_out(tasks: Sequence[str], source: str) -> None:
    """Which tasks the source has no rows for, so that none is missing in silence."""
    if tasks:
        named = ", ".join(tasks[:10]) + (", ..." if len(tasks) > 10 else "")
        _note(f"{len(tasks)} of the {len(cards())} tasks have no test rows in {source}: {named}")


def _failures(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Tasks by what stopped them: a full disk stops many, and is told once."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.state == "failed":
            note = outcome.note.removeprefix(f"{outcome.task}: ")
            found.setdefault(note, []).append(outcome.task)
    return found


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """One line per task, then the sum."""
    for verdict in verdicts:
        mark = "FAIL" if verdict.state in FAILING else "ok"
        ratio = f"{verdict.matching}/{verdict.files}"
        line = f"{mark:<5}{verdict.task:<54}{ratio:>6}  {verdict.state}"
        _note(f"{line}: {verdict.note}" if verdict.note else line)
    counts = Counter(verdict.state for verdict in verdicts)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _note(f"{len(verdicts)} tasks: {told}")


def print_copies(copies: Sequence[Copied], to: Path) -> None:
    """What was copied, and in full what was not."""
    counts = Counter(copied.state for copied in copies)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _note(f"{len(copies)} splits in {to}: {told}")
    for copied in copies:
        if copied.state in ("failed", "absent"):
            _note(f"{copied.state:<8}{copied.data}: {copied.note}".rstrip(": "))


def _ratio(outcome: Outcome) -> str:
    return "no" if outcome.official is None else f"{outcome.official} of {outcome.files}"


def _note(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)
