"""The command line called inside the test process, and the small world that it is called on."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import typer.main
import yaml
from synthetic import write_backbone, write_gym

STORES = (
    *("MPT_HOME", "MPT_LEDGER_URL", "MPT_STUDIES_URL", "MPT_TRACKING_URI"),
    "MLFLOW_TRACKING_URI",
)

tree_of = cache(typer.main.get_command)
"""The tree of commands, built once per test process: most of what a short command costs."""


@dataclass(frozen=True)
class Said:
    """What a command left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error that a refused command prints."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


def mpt(*words: str | Path, home: Path, columns: int = 80, **variables: str) -> Said:
    """Run ``mpt`` with these words on this home, as its console script would."""
    from mpt.commands.app import main

    out, err = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in os.environ.items() if name not in STORES}
    environment = {**kept, "MPT_HOME": str(home), "COLUMNS": str(columns), **variables}
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["mpt", *map(str, words)]),
        patch.object(typer.main, "get_command", tree_of),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert isinstance(end.value.code, int)
    return Said(end.value.code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class World:
    """A gym of invented rows and a tiny backbone that reads them."""

    gym: Path
    backbone: Path


@cache
def world() -> World:
    """Made once per test process: the backbone takes seconds to learn."""
    folder = Path(tempfile.mkdtemp(prefix="mpt-world-"))
    return World(write_gym(folder / "gym"), write_backbone(folder / "backbone"))


def study_file(path: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """A study that runs in a second on the small world, with some keys changed or left out."""
    small: dict[str, Any] = {
        "name": "small",
        "gym": str(world().gym),
        "backbone": {
            "name": str(world().backbone),
            "prompt_tokens": 3,
            "max_input": 16,
            "max_target": 4,
        },
        "method": "fomaml",
        "setting": "Cls->Cls",
        "sources": ["glue-mrpc", "glue-qqp"],
        "source_seeds": [13],
        "inner": {"steps": 1, "batch": 2},
        "outer": {"steps": 3, "episodes": 2, "batch": 2},
        "space": {"outer_lr": {"low": 0.1, "high": 1.0}},
        "tuning": {"steps": 4, "batch": 4, "num_evals": 2},
        "validation": {"tasks": ["trec", "liar"], "seeds": [13, 21]},
        "final": {"settings": ["Cls->Cls"], "seeds": [13, 21], "lrs": [0.5, 0.2]},
        "trials": 3,
        "pack": 2,
        "cells_per_pack": 4,
    }
    both = {key: value for key, value in {**small, **(changes or {})}.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(both), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and folder under ``folder``; what is equal was not written to."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
