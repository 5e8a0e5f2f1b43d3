"""Work for fleets, in a module of its own so that other processes can import it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.compute.progress import OnStep
from mpt.errors import OutOfMemory

if TYPE_CHECKING:
    from mpt.compute.worker import Worker
    from mpt.config import CellConfig
    from mpt.store.unit import Unit


def total(pack: Sequence[int], on_step: OnStep) -> int:
    """One step per number, and their sum."""
    for _ in pack:
        on_step(1)
    return sum(pack)


def fail_at(wrong: int, error: Exception, pack: Sequence[int], on_step: OnStep) -> int:
    """Raise ``error`` for one pack."""
    if wrong in pack:
        raise error
    return sum(pack)


def die_once(marker: Path, pack: Sequence[int], on_step: OnStep) -> int:
    """The process that computes the first pack is killed."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return total(pack, on_step)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


def die(pack: Sequence[int], on_step: OnStep) -> int:
    """Whatever process computes this is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


def card(pack: Sequence[int], on_step: OnStep) -> str:
    """The GPU that a pack was given."""
    import ray

    return str(ray.get_gpu_ids()[0])


def process(pack: Sequence[int], on_step: OnStep) -> int:
    """The process that computes a pack."""
    return os.getpid()


def wait(folder: Path, pack: Sequence[int], on_step: OnStep) -> int:
    """Take long, step by step, and leave a file when called off."""
    (folder / "begun").touch()
    try:
        for _ in range(1200):
            time.sleep(0.05)
    except KeyboardInterrupt:
        (folder / "saved").touch()
        raise
    return total(pack, on_step)


def narrow(worker: Worker, configs: Sequence[CellConfig], on_step: OnStep) -> list[Unit]:
    """In place of ``Worker.tune`` at the driver: on a machine where only one run fits."""
    from mpt.compute.worker import Worker

    if len(configs) > 1:
        raise OutOfMemory(len(configs), "cpu", "no room")
    return Worker.tune(worker, configs, on_step)
