"""`mpt` in a process that is killed for good at a named point of its own work.

The processes are forked from one that has imported everything already, so that each costs no
start. What they are killed with is SIGKILL: nothing is tidied up, as when power fails.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

from terminal import STORES

IMPORTED = (
    *("mpt.commands.app", "mpt.commands.session", "mpt.lab.projection", "mpt.lab.sweep"),
    *("mpt.report.views", "mpt.backbone.hub", "mlflow", "optuna", "sklearn.metrics"),
)
PATIENCE = 120
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
            calls += self.about in repr(args)
            is_it = calls == self.call and self.about in repr(args)
            if is_it and self.side == "before":
                _die()
            result = original(*args, **kwargs)
            if is_it:
                _die()
            return result

        setattr(owner, name, watched)


def run(
    words: Sequence[str], home: Path, log: Path, *, point: Point | None = None, after: float = 0.0
) -> tuple[int, str]:
    """Run ``mpt`` with these words until it ends, gets to ``point``, or ``after`` seconds are over.

    Returns:
        Its exit code, minus the signal that ended it; and what it said on standard error.
    """
    log.touch()
    process = _fork().Process(target=_main, args=(words, home, log, point))
    process.start()
    process.join(after or PATIENCE)
    if process.is_alive():
        assert after, f"the process did not end: {log.read_text()}"
        process.kill()
        process.join(PATIENCE)
    code = process.exitcode
    assert code is not None
    process.close()
    return code, log.read_text()


@cache
def _fork() -> ForkServerContext:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _main(words: Sequence[str], home: Path, log: Path, point: Point | None) -> None:
    from mpt.commands.app import main
    from mpt.engine.checkpoint import Checkpoints

    # the sweeps of tests are shorter than the time between two checkpoints
    Checkpoints.due = lambda self: True
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(said, 2)
    for name in STORES:
        os.environ.pop(name, None)
    os.environ["MPT_HOME"] = str(home)
    sys.argv = ["mpt", *words]
    if point:
        point.arm()
    main()


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
