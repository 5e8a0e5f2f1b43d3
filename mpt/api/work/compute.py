"""What calls that compute have in common: where they compute, and who hears how far they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypedDict

from mpt.compute.progress import OnStep, Progress, Silent
from mpt.report.words import clock

if TYPE_CHECKING:
    from mpt.compute.stopping import Stopping
    from mpt.lab.matrix import Matrix

EVERY = 10.0
"""Seconds between two lines of a stage."""


class Listener(Progress, Protocol):
    """Hears of stages, notes and campaigns. Subclass ``PlainProgress`` to show them elsewhere."""

    def follow(self, matrix: Matrix) -> None:
        """Show from now on how far a campaign is: settings x methods, done, failed and left."""
        ...


class PlainProgress:
    """Lines of text: a stage at most every ten seconds, with the time that it will still take.

    Args:
        write: takes a line; by default it goes to standard error.

    Example::

        mpt.sweep(study, progress=mpt.PlainProgress(logging.getLogger("sweep").info))
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or _to_stderr
        self._matrix: Matrix | None = None

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[OnStep]:
        """See ``Progress.stage``."""
        began = last = time.monotonic()
        done = 0

        def advance(steps: int) -> None:
            nonlocal done, last
            done += steps
            now = time.monotonic()
            if now - last >= EVERY and done:
                last = now
                left = (now - began) / done * (total - done)
                self.say(f"{title}: {done}/{total} steps, about {clock(left)} left")

        yield advance
        self.say(stage_line(title, done, total, time.monotonic() - began))
        if self._matrix is not None:
            from mpt.report.tables.matrix_grid import matrix_lines

            for line in matrix_lines(self._matrix):
                self.say(line)

    def say(self, line: str) -> None:
        """See ``Progress.say``."""
        self._write(line)

    def follow(self, matrix: Matrix) -> None:
        """See ``Listener.follow``."""
        self._matrix = matrix


class Quiet(Silent):
    """Says nothing."""

    def follow(self, matrix: Matrix) -> None:
        """See ``Listener.follow``."""


def stage_line(title: str, done: int, total: int, seconds: float) -> str:
    """Say how many steps a stage took, and of how many if it ended early."""
    steps = f"{total}" if done >= total else f"{done} of {total}"
    return f"{title}: {steps} steps in {clock(seconds)}"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def without_password(argument: str) -> str:
    """Return an argument of a command as it may be shown: the password of an address hidden."""
    from mpt.store.home import Home

    return Home.shown(argument)


class Compute(TypedDict, total=False):
    """Keywords of every call that computes; all may be left out.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default CUDA where there is one.
        devices: ``auto`` for all GPUs of this machine, or numbers such as ``"0,1"``: a process for
            each computes packs. By default one of them is used.
        meta_engine: how MAML's gradient is computed: ``auto``, ``graph``, ``recursion`` or
            ``higher``; all are exact.
        deterministic: only kernels that give the same bits at every call, in this process from then
            on; on a CPU they do anyway.
        tracking_uri: an MLflow server or database; by default a local store in the home folder.
        experiment: the MLflow experiment of the runs; by default ``MLFLOW_EXPERIMENT_NAME`` or mpt.
        budget: a time after which work ends cleanly, such as ``"8h"``; the same call continues it.
            Or a ``Stopping``, which the caller can ask afterwards why work ended.
        ray: a Ray cluster: ``auto``, ``local`` or ``HOST:PORT``; by default this process computes.
        gpus_per_pack: GPUs that a pack takes on Ray.
        progress: who hears how far it is; by default lines on standard error.
    """

    device: str | None
    devices: str | None
    meta_engine: str
    deterministic: bool
    tracking_uri: str | None
    experiment: str | None
    budget: str | Stopping | None
    ray: str | None
    gpus_per_pack: float | None
    progress: Listener | None
