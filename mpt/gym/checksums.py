"""MD5 sums: the official ones of CrossFit's files, and those a builder leaves beside its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from hashlib import md5
from importlib.resources import files
from pathlib import Path

from mpt.gym.splits import PARTS, SEEDS

RECORD = "built.json"
"""Beside a task's TSV files: what they were built from, and their MD5 sums."""


def file_name(task: str, shots: int | str, seed: int, part: str) -> str:
    """CrossFit's name of a split file, e.g. ``glue-rte_16_13_train.tsv``."""
    return f"{task}_{shots}_{seed}_{part}.tsv"


def digest(content: bytes) -> str:
    """The MD5 of a file's bytes, 32 hex digits; a name for content, not a protection."""
    return md5(content, usedforsecurity=False).hexdigest()


def official_md5(task: str, shots: int | str) -> Mapping[str, str]:
    """MD5 by file name of the 15 official files; empty for other tasks or shots."""
    from mpt.gym.catalogue import cards

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


def recorded_md5(folder: Path) -> Mapping[str, str]:
    """MD5 by file name as the builder wrote them down; empty when there is no readable record."""
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@cache
def _official() -> Mapping:
    text = files("mpt.gym").joinpath("data/official_md5.json").read_text(encoding="utf-8")
    return json.loads(text)
