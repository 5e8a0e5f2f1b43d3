"""Comparison of a folder of built tasks with the official MD5 sums.

Some official files cannot be reproduced bit for bit today; the card's ``checksum`` says which and
why. Those are compared by content if an official copy is available (``against``): the answers of a
line in any order, for ``unseeded`` tasks also the words of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpt.errors import DataError
from mpt.gym.build.cards import Card
from mpt.gym.build.catalogue import cards
from mpt.gym.build.checksums import FolderRecord, file_md5, official_md5, read_record
from mpt.gym.splits import SEEDS

State = Literal[
    "matches", "same content", "excused", "unofficial", "short", "incomplete", "differs"
]

FAILING: frozenset[State] = frozenset(("short", "incomplete", "differs"))
"""States of a task that should match but does not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of a task's files with the official ones.

    Attributes:
        state: ``matches`` (every MD5); ``same content`` (equal to ``against`` but for arbitrary
            order); ``excused`` (known not to be reproducible bit for bit); ``unofficial`` (other
            shots, no official files); ``short`` (the source lacked rows); ``incomplete`` (files are
            missing);
            ``differs``.
        matching: number of files with their official MD5, of ``files``.
        note: what differs and why.
    """

    task: str
    state: State
    matching: int
    files: int
    note: str = ""


def verify(folder: Path, against: Path | None = None) -> Iterator[Comparison]:
    """Compare each CrossFit task in ``folder`` with the official files, in alphabetical order.

    Raises:
        DataError: the folder is missing or holds no CrossFit task.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder",
            fix="give the one that `mpt gym build --out` made",
        )
    tasks = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name in cards())
    if not tasks:
        raise DataError(
            f"{folder} holds no CrossFit task",
            fix="build one with `mpt gym build`",
        )
    for task in tasks:
        yield verify_task(cards()[task], folder / task, against / task if against else None)


def verify_task(card: Card, home: Path, against: Path | None = None) -> Comparison:
    """Compare one task's folder with the official files."""
    official = official_md5(card.task, card.shots)
    sums = {name: file_md5(home / name) for name in official if (home / name).is_file()}
    if not sums:
        return _unofficial(card, home)
    wrong = sorted(name for name, md5 in sums.items() if official[name] != md5)
    matching = len(sums) - len(wrong)
    if matching == len(official):
        return Comparison(card.task, "matches", matching, len(official))
    build = read_record(home).builds.get(str(card.shots))
    if build is not None and build.note:
        tests = sum(name.endswith("_test.tsv") for name in set(sums) - set(wrong))
        note = f"{build.note}; {tests} of {len(SEEDS)} test files match"
        return Comparison(card.task, "short", matching, len(official), note)
    if len(sums) < len(official):
        missing = sorted(set(official) - set(sums))
        note = f"{len(missing)} files are missing, {missing[0]} first: build the task again"
        return Comparison(card.task, "incomplete", matching, len(official), note)
    state, note = _difference(card, home, wrong, against)
    return Comparison(card.task, state, matching, len(official), note)


def _difference(
    card: Card, home: Path, wrong: list[str], against: Path | None
) -> tuple[State, str]:
    """Tell whether the files named ``wrong`` are allowed to differ, and why."""
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


def _unofficial(card: Card, home: Path) -> Comparison:
    """Compare files without official ones (other shots) with the builder's own record."""
    record = read_record(home)
    changed = _changed(home, record)
    if not record.files:
        note = f"no file for k = {card.shots} and no record of a build: build the task again"
        return Comparison(card.task, "incomplete", 0, 15, note)
    if changed:
        note = f"{changed[0]} is not as it was built: build the task again"
        return Comparison(
            card.task, "differs", len(record.files) - len(changed), len(record.files), note
        )
    note = f"no official files for k = {', '.join(record.builds)}; unchanged since the build"
    return Comparison(card.task, "unofficial", 0, len(record.files), note)


def _changed(home: Path, record: FolderRecord) -> list[str]:
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
    # files that are not UTF-8 can be compared too
    return path.read_bytes().decode(errors="surrogateescape").split("\n")
