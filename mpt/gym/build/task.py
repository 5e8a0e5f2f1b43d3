"""Building one task: rows -> lines -> the 15 TSV files, byte for byte, or nothing at all.

A task's files are made in a hidden folder and moved into place together, so a task is either
complete or absent, whenever the builder is killed. ``built.json`` beside the files records their
MD5 sums and the recipe; a task whose recipe and files are unchanged is not built again.
"""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from mpt.errors import InputError
from mpt.gym.build.cards import Card
from mpt.gym.build.checksums import (
    BuildRecord,
    FolderRecord,
    file_md5,
    file_name,
    official_md5,
    read_record,
    write_record,
)
from mpt.gym.build.conform import conform
from mpt.gym.build.mapping import map_rows
from mpt.gym.build.rows import RowSource
from mpt.gym.build.sampling import Lines, Numbers, Parts, Shots, read_parts, sample, split_of_tests
from mpt.gym.splits import SEEDS

State = Literal["built", "kept", "short", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of building one task.

    Attributes:
        state: ``built``; ``kept`` (it existed already); ``short`` (built, but the source lacks rows
            of 2021, so some files differ from the official ones); ``failed`` (nothing was written).
        official: number of files with their official MD5; None if there are no official files.
        note: what the source lacks, or why the build failed and what to do.
    """

    task: str
    state: State
    files: int = 0
    official: int | None = None
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class BuildPlan:
    """The source of rows, the folder for files, and the number of shots (None: the card's)."""

    source: RowSource
    out: Path
    shots: Shots | None = None

    def of(self, card: Card) -> Shots:
        """Return the number of shots of this card under the plan."""
        return card.shots if self.shots is None else self.shots


@dataclass
class _Reading:
    """The mapped splits of one task while it is built, and what the source lacked of them."""

    card: Card
    plan: BuildPlan
    folder: Path
    short: dict[str, str] = field(default_factory=dict)
    splits: dict[str, Lines | None] = field(default_factory=dict)

    def lines(self, split: str) -> Lines | None:
        if split not in self.splits:
            self.splits[split] = self._read(split)
        return self.splits[split]

    def _read(self, split: str) -> Lines | None:
        expected = self.card.source.rows.get(split)
        table = self.plan.source.split(self.card.source, split)
        if table is None:
            self.short[split] = f"{split} rows are missing: only the test files can be made"
            return None
        if expected and table.count is not None and table.count != expected:
            few = "short" if table.count < expected else "too many"
            self.short[split] = f"{split} rows are {few}: {table.count:,} instead of {expected:,}"
        rows = conform(self.card, split, table)
        name = f"{self.card.task}: split {split!r}"
        return Lines(map_rows(self.card, rows, split), name, str(self.folder))

    def close(self) -> None:
        for lines in self.splits.values():
            if lines is not None:
                lines.close()


def build_task(card: Card, plan: BuildPlan) -> Outcome:
    """Build one task unless it exists already; never raise for bad data or a full disk."""
    started = time.monotonic()
    try:
        outcome = _kept(card, plan) or _build(card, plan)
    except InputError as error:
        outcome = Outcome(card.task, "failed", note=str(error))
    except OSError as error:
        outcome = Outcome(card.task, "failed", note=_disk(card.task, plan.out, error))
    except MemoryError:
        note = f"{card.task}: out of memory; build it alone with `--jobs 1`"
        outcome = Outcome(card.task, "failed", note=note)
    return replace(outcome, seconds=time.monotonic() - started)


def recipe(card: Card, plan: BuildPlan) -> str:
    """Return 16 hex digits over card, shots and state of the source: equal recipes, equal bytes."""
    made_of = card.model_dump(mode="json", exclude={"licence", "notes", "checksum"})
    text = json.dumps(
        [made_of, plan.of(card), plan.source.fingerprint(card.source)], sort_keys=True
    )
    return sha256(text.encode()).hexdigest()[:16]


def _kept(card: Card, plan: BuildPlan) -> Outcome | None:
    """Return the outcome of an earlier build if its recipe and files are unchanged."""
    home, shots = plan.out / card.task, plan.of(card)
    record = read_record(home)
    build = record.builds.get(str(shots))
    if build is None or build.recipe != recipe(card, plan):
        return None
    sums = {name: record.files[name] for name in build.files}
    for name, expected in sums.items():
        if not (home / name).is_file() or file_md5(home / name) != expected:
            return None
    return Outcome(card.task, "kept", len(sums), _official(card, shots, sums), build.note)


def _build(card: Card, plan: BuildPlan) -> Outcome:
    home = plan.out / card.task
    old = plan.out / f".old-{card.task}"
    _recover(card.task, plan.out)
    plan.out.mkdir(parents=True, exist_ok=True)
    stage = Path(mkdtemp(prefix=_stage_prefix(card.task), dir=plan.out))
    stage.chmod(0o755)  # mkdtemp makes a folder that only its owner can read
    reading = _Reading(card, plan, stage)
    try:
        sums = dict(_write(card, plan.of(card), read_parts(card, reading.lines), stage))
        official = _official(card, plan.of(card), sums)
        note = _note(card, plan, sums, reading.short)
        made = BuildRecord(recipe(card, plan), plan.source.name, note, tuple(sorted(sums)))
        earlier = read_record(home)
        builds = {**earlier.builds, str(plan.of(card)): made}
        write_record(stage, FolderRecord(builds, {**earlier.files, **sums}))
        if home.exists():
            for path in home.iterdir():
                if not (stage / path.name).exists():
                    shutil.copy2(path, stage / path.name)
            home.rename(old)
        stage.rename(home)
    finally:
        reading.close()
        shutil.rmtree(stage, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return Outcome(card.task, "short" if note else "built", len(sums), official, note)


def _stage_prefix(task: str) -> str:
    return f".building-{task}."


def _recover(task: str, out: Path) -> None:
    """Clean up after a killed builder: delete half-made folders, restore one that was set aside."""
    home, old = out / task, out / f".old-{task}"
    for stage in out.glob(f"{_stage_prefix(task)}*"):
        shutil.rmtree(stage, ignore_errors=True)
    if old.exists() and not home.exists():
        old.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def _write(card: Card, shots: Shots, parts: Parts[Lines], stage: Path) -> Iterator[tuple[str, str]]:
    """Write every file that the source allows; yield names and MD5 sums."""

    def put(name: str, lines: Lines, numbers: Numbers) -> tuple[str, str]:
        with (stage / name).open("wb") as file:
            file.writelines(lines.content(numbers))
        return name, file_md5(stage / name)

    first, test_md5 = "", ""
    for seed in SEEDS:
        train, dev = sample(parts, card.kind, shots, seed)
        if parts.pool_lines is not None:
            yield put(file_name(card.task, shots, seed, "train"), parts.pool_lines, train)
            yield put(file_name(card.task, shots, seed, "dev"), parts.pool_lines, dev)
        name = file_name(card.task, shots, seed, "test")
        if not first:  # the test set is the same under every seed
            first, test_md5 = put(name, parts.test_lines, parts.test)
        else:
            shutil.copyfile(stage / first, stage / name)
        yield name, test_md5


def _note(card: Card, plan: BuildPlan, sums: Mapping[str, str], short: Mapping[str, str]) -> str:
    """Say what the source lacked, except for splits whose official files were reproduced anyway."""
    official = official_md5(card.task, plan.of(card))
    wrong = {name for name, md5 in sums.items() if official.get(name) != md5}
    if len(sums) == len(official) and not wrong:
        return ""
    if official and not any(name.endswith("_test.tsv") for name in wrong):
        short = {split: note for split, note in short.items() if split != split_of_tests(card)}
    return "; ".join(short.values())


def _official(card: Card, shots: Shots, sums: Mapping[str, str]) -> int | None:
    official = official_md5(card.task, shots)
    return sum(official[name] == md5 for name, md5 in sums.items()) if official else None


def _disk(task: str, out: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{task}: the disk of {out} is full; free some space and run the same command again: "
            "finished tasks are kept"
        )
    reason = error.strerror or str(error)
    return f"{task}: {error.filename or out}: {reason}; fix that and run the same command again"
