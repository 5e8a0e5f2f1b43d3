"""A folder of built tasks against the official MD5 sums.

Some official files cannot be met bit for bit today; the card's ``checksum`` says which and why.
Those are compared by content where an official copy is at hand (``against``): answers of a line in
any order, for ``unseeded`` tasks also the words of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpt.errors import DataError
from mpt.gym.build.cards import Card
from mpt.gym.build.catalogue import cards
from mpt.gym.build.checksums import Record, file_md5, official_md5, read_record
from mpt.gym.splits import SEEDS

State = Literal[
    "matches", "same content", "excused", "unofficial", "short", "incomplete", "differs"
]

FAILING: frozenset[State] = frozenset(("short", "incomplete", "differs"))
"""States of a task that should match and does not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a task's files compare with the official ones.

    Attributes:
        state: ``matches`` (every MD5); ``same content`` (as ``against``, but for arbitrary order);
            ``excused`` (known not to be reproducible bit for bit); ``unofficial`` (other shots, no
            official files); ``short`` (the source lacked rows); ``incomplete`` (files are missing);
            ``differs``.
        matching: files with their official MD5, of ``files``.
        note: what differs and why.
    """

    task: str
    state: State
    matching: int
    files: int
    note: str = ""


def verify(folder: Path, against: Path | None = None) -> Iterator[Verdict]:
    """A verdict per CrossFit task in ``folder``, in alphabetical order.

    Raises:
        DataError: the folder is missing or holds no CrossFit task.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the one that `mpt gym build --out` made")
    tasks = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name in cards())
    if not tasks:
        raise DataError(f"{folder} holds no CrossFit task; build one with `mpt gym build`")
    for task in tasks:
        yield verify_task(cards()[task], folder / task, against / task if against else None)


def verify_task(card: Card, home: Path, against: Path | None = None) -> Verdict:
    """The verdict on one task's folder."""
    known = official_md5(card.task, card.shots)
    found = {name: file_md5(home / name) for name in known if (home / name).is_file()}
    if not found:
        return _unofficial(card, home)
    wrong = sorted(name for name, md5 in found.items() if known[name] != md5)
    matching = len(found) - len(wrong)
    if matching == len(known):
        return Verdict(card.task, "matches", matching, len(known))
    build = read_record(home).builds.get(str(card.shots))
    if build is not None and build.note:
        tests = sum(name.endswith("_test.tsv") for name in set(found) - set(wrong))
        note = f"{build.note}; {tests} of {len(SEEDS)} test files match"
        return Verdict(card.task, "short", matching, len(known), note)
    if len(found) < len(known):
        lacking = sorted(set(known) - set(found))
        note = f"{len(lacking)} files are missing, {lacking[0]} first: build the task again"
        return Verdict(card.task, "incomplete", matching, len(known), note)
    state, note = _judge(card, home, wrong, against)
    return Verdict(card.task, state, matching, len(known), note)


def _judge(card: Card, home: Path, wrong: list[str], against: Path | None) -> tuple[State, str]:
    """Why the files named ``wrong`` may differ, if they may."""
    why = card.checksum
    if why is None or why.kind == "exact":
        return "differs", f"{wrong[0]} and {len(wrong) - 1} more are not the official files"
    if against is not None and against.is_dir():
        unequal = [name for name in wrong if not _same_content(card, home / name, against / name)]
        if not unequal:
            return "same content", f"{len(wrong)} files equal those of {against} but for order"
        if why.kind != "order_dependent":
            return "differs", f"{unequal[0]} has other content than {against / unequal[0]}"
    if why.kind == "set_order":
        plain = [name for name in wrong if not _has_alternatives(home / name)]
        if plain:
            return "differs", f"{plain[0]} has no line with several answers, so it should match"
    return "excused", f"{len(wrong)} files cannot be compared by MD5 ({why.kind}): {why.reason}"


def _unofficial(card: Card, home: Path) -> Verdict:
    """Other shots than the official ones: the builder's own record is the judge."""
    record = read_record(home)
    changed = _changed(home, record)
    if not record.files:
        note = f"no file for k = {card.shots} and no record of a build: build the task again"
        return Verdict(card.task, "incomplete", 0, 15, note)
    if changed:
        note = f"{changed[0]} is not as it was built: build the task again"
        return Verdict(
            card.task, "differs", len(record.files) - len(changed), len(record.files), note
        )
    note = f"no official files for k = {', '.join(record.builds)}; unchanged since the build"
    return Verdict(card.task, "unofficial", 0, len(record.files), note)


def _changed(home: Path, record: Record) -> list[str]:
    return [
        name
        for name, md5 in record.files.items()
        if not (home / name).is_file() or file_md5(home / name) != md5
    ]


def _has_alternatives(path: Path) -> bool:
    return any(line.count(b"\t") > 1 for line in path.read_bytes().split(b"\n"))


def _same_content(card: Card, ours: Path, theirs: Path) -> bool:
    if not theirs.is_file():
        return False
    unseeded = card.checksum is not None and card.checksum.kind == "unseeded"
    a, b = ([_content(line, unseeded) for line in _lines(path)] for path in (ours, theirs))
    if card.checksum is not None and card.checksum.kind == "order_dependent":
        return sorted(a) == sorted(b)
    return a == b


def _content(line: str, unseeded: bool) -> tuple[list[str], list[str]]:
    text, *answers = line.split("\t")
    return sorted(text.split(", ")) if unseeded else [text], sorted(answers)


def _lines(path: Path) -> list[str]:
    # whatever bytes they are, they can be compared
    return path.read_bytes().decode(errors="surrogateescape").split("\n")
