"""`mpt` in processes that start at once: each is forked from one that has imported everything.

They are processes like any other, with signals, exit codes and files of their own; what they do not
pay for is a start of seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from terminal import STORES

IMPORTED = (
    *("mpt.commands.app", "mpt.api.work.session", "mpt.lab.tracked.projection", "mpt.lab.sweep"),
    *("mpt.report.views", "mpt.backbone.hub", "mlflow", "optuna", "sklearn.metrics"),
)


class Forked:
    """A command as `subprocess.Popen` would start it, with as much of its interface as tests use.

    Args:
        words: what stands behind `mpt`.
        variables: of its environment, beside those of this process that name no store.
        prepare: called in the process before the command is.
        typed: standard input.
    """

    def __init__(
        self,
        words: Sequence[str],
        variables: Mapping[str, str],
        prepare: Callable[[], None] | None = None,
        typed: str = "",
    ) -> None:
        self.args = ["mpt", *words]
        self._folder = Path(tempfile.mkdtemp(prefix="mpt-forked-"))
        weakref.finalize(self, shutil.rmtree, self._folder)
        for name, text in {"in": typed, "out": "", "err": ""}.items():
            (self._folder / name).write_text(text)
        kept = {name: value for name, value in os.environ.items() if name not in STORES}
        environment = {**kept, "OMP_NUM_THREADS": "1", **variables}
        self._process = _server().Process(
            target=_main, args=(self.args, environment, self._folder, prepare)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's own, not that of what it is forked from."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As ``returncode``."""
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Standard output and error once it has ended. Raises ``subprocess.TimeoutExpired``."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return (self._folder / "out").read_text(), (self._folder / "err").read_text()

    def send_signal(self, number: int) -> None:
        """Nothing happens if it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


@cache
def _server() -> ForkServerContext:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _main(
    args: list[str],
    environment: dict[str, str],
    folder: Path,
    prepare: Callable[[], None] | None,
) -> None:
    import torch

    from mpt.commands.app import main

    for number, name in enumerate(("in", "out", "err")):
        os.dup2(os.open(folder / name, os.O_RDWR), number)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    # PyTorch looked at the variable when it was imported
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = args
    if prepare:
        prepare()
    main()
