"""MD5 sums: the official ones of CrossFit's files, and those that a builder records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from hashlib import file_digest, md5
from importlib.resources import files
from pathlib import Path
from typing import Any

from mpt.files.reading import read_json
from mpt.gym.splits import PARTS, SEEDS

RECORD = "built.json"
"""The file beside a task's TSV files that records what they were built from and their MD5 sums."""


def file_name(task: str, shots: int | str, seed: int, part: str) -> str:
    """Return CrossFit's name of a split file, e.g. ``glue-rte_16_13_train.tsv``."""
    return f"{task}_{shots}_{seed}_{part}.tsv"


def digest(content: bytes) -> str:
    """Return the MD5 of bytes, 32 hex digits; it identifies content and is not for security."""
    return md5(content, usedforsecurity=False).hexdigest()


def file_md5(path: Path) -> str:
    """Compute the MD5 of a file, read in pieces. Raises ``OSError``."""
    with path.open("rb") as file:
        return file_digest(file, partial(md5, usedforsecurity=False)).hexdigest()


def official_md5(task: str, shots: int | str) -> Mapping[str, str]:
    """Return the MD5 by file name of the 15 official files; empty for other tasks or shots."""
    from mpt.gym.build.catalogue import cards

    if task not in cards() or cards()[task].shots != shots:
        return {}
    sums = _official()[task]
    return {
        file_name(task, shots, seed, part): sums[part] if part == "test" else sums[part][str(seed)]
        for seed in SEEDS
        for part in PARTS
    }


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """The builder's record of one build of a task (one k).

    Attributes:
        recipe: equal recipes give equal bytes.
        source: where the rows came from, in words.
        note: what the source lacked; empty if it was complete.
        files: names of the files that belong to it.
    """

    recipe: str
    source: str
    note: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """``built.json`` of a task's folder: builds by k, and MD5 by file name."""

    builds: Mapping[str, BuildRecord]
    files: Mapping[str, str]


def read_record(folder: Path) -> FolderRecord:
    """Read the builder's record of a task's folder; an unreadable one counts as missing."""
    try:
        content: Any = read_json(folder / RECORD)
        builds = {
            shots: BuildRecord(
                build["recipe"], build["source"], build["note"], tuple(build["files"])
            )
            for shots, build in content["builds"].items()
        }
        return FolderRecord(builds, dict(content["files"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return FolderRecord({}, {})


def write_record(folder: Path, record: FolderRecord) -> None:
    """Write ``built.json``. Raises ``OSError``."""
    content = {
        "builds": {shots: asdict(build) for shots, build in record.builds.items()},
        "files": dict(sorted(record.files.items())),
    }
    (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@cache
def _official() -> Mapping:
    text = files("mpt.gym").joinpath("data/official_md5.json").read_text(encoding="utf-8")
    return json.loads(text)
