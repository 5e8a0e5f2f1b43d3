"""`mpt` in a process that is killed for good at a named point of its own work.

What they are killed with is SIGKILL: nothing is tidied up, as when power fails.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from forked import Forked

PATIENCE = 300
"""Seconds that a process may take."""


@dataclass(frozen=True)
class Point:
    """Where a process kills itself: before or after the n-th call of a function.

    ``about``: only calls with this text among their arguments are counted.
    """

    function: str
    side: Literal["before", "after"]
    call: int = 1
    about: str = ""

    def arm(self) -> None:
        """Put the function's place under watch, in this process."""
        owner, name = _owner(self.function)
        original: Callable[..., Any] = getattr(owner, name)
        calls = 0

        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            is_counted = self.about in repr((args, kwargs))
            calls += is_counted
            is_it = is_counted and calls == self.call
            if is_it and self.side == "before":
                _die()
            result = original(*args, **kwargs)
            if is_it:
                _die()
            return result

        setattr(owner, name, watched)


def run(
    words: Sequence[str], home: Path, *, point: Point | None = None, after: float = 0.0
) -> tuple[int, str]:
    """Run ``mpt`` with these words until it ends, gets to ``point``, or ``after`` seconds are over.

    Returns:
        Its exit code, minus the signal that ended it; and what it said on standard error.
    """
    process = Forked(words, {"MPT_HOME": str(home)}, partial(_prepare, point))
    try:
        _, said = process.communicate(after or PATIENCE)
    except subprocess.TimeoutExpired:
        assert after, "the process did not end"
        process.kill()
        _, said = process.communicate(PATIENCE)
    assert process.returncode is not None
    return process.returncode, said


def _prepare(point: Point | None) -> None:
    from mpt.engine.checkpoint import Checkpoints

    # the sweeps of tests are shorter than the time between two checkpoints
    Checkpoints.due = lambda self: True
    if point:
        point.arm()


def _owner(function: str) -> tuple[Any, str]:
    """The module or class that holds a function, and the function's name in it."""
    path, _, name = function.rpartition(".")
    try:
        return importlib.import_module(path), name
    except ModuleNotFoundError:
        module, _, owner = path.rpartition(".")
        return getattr(importlib.import_module(module), owner), name


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
