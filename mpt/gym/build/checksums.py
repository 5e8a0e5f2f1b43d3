"""MD5 sums: the official ones of CrossFit's files, and those a builder leaves beside its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from hashlib import file_digest, md5
from importlib.resources import files
from pathlib import Path
from typing import Any

from mpt.gym.splits import PARTS, SEEDS
from mpt.files.reading import read_json

RECORD = "built.json"
"""Beside a task's TSV files: what they were built from, and their MD5 sums."""


def file_name(task: str, shots: int | str, seed: int, part: str) -> str:
    """CrossFit's name of a split file, e.g. ``glue-rte_16_13_train.tsv``."""
    return f"{task}_{shots}_{seed}_{part}.tsv"


def digest(content: bytes) -> str:
    """The MD5 of bytes, 32 hex digits; a name for content, not a protection."""
    return md5(content, usedforsecurity=False).hexdigest()


def file_md5(path: Path) -> str:
    """The MD5 of a file, read in pieces. Raises ``OSError``."""
    with path.open("rb") as file:
        return file_digest(file, partial(md5, usedforsecurity=False)).hexdigest()


def official_md5(task: str, shots: int | str) -> Mapping[str, str]:
    """MD5 by file name of the 15 official files; empty for other tasks or shots."""
    from mpt.gym.build.catalogue import cards

    if task not in cards() or cards()[task].shots != shots:
        return {}
    known = _official()[task]
    return {
        file_name(task, shots, seed, part): known[part]
        if part == "test"
        else known[part][str(seed)]
        for seed in SEEDS
        for part in PARTS
    }


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What the builder wrote down about one build of a task (one k).

    Attributes:
        recipe: equal recipes give equal bytes.
        source: where the rows came from, in words.
        note: what was short in the source; empty when nothing was.
        files: names of the files that belong to it.
    """

    recipe: str
    source: str
    note: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """``built.json`` of a task's folder: builds by k, and MD5 by file name."""

    builds: Mapping[str, BuildRecord]
    files: Mapping[str, str]


def read_record(folder: Path) -> Record:
    """The builder's record of a task's folder; an unreadable one counts as none."""
    try:
        given: Any = read_json(folder / RECORD)
        builds = {
            shots: BuildRecord(one["recipe"], one["source"], one["note"], tuple(one["files"]))
            for shots, one in given["builds"].items()
        }
        return Record(builds, dict(given["files"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Record({}, {})


def write_record(folder: Path, record: Record) -> None:
    """Writes ``built.json``. Raises ``OSError``."""
    content = {
        "builds": {shots: asdict(build) for shots, build in record.builds.items()},
        "files": dict(sorted(record.files.items())),
    }
    (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@cache
def _official() -> Mapping:
    text = files("mpt.gym").joinpath("data/official_md5.json").read_text(encoding="utf-8")
    return json.loads(text)
