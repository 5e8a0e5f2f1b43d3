"""Compute packs on several GPUs of this machine, in one long-lived process for each."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from types import FrameType, TracebackType
from typing import Any

from mpt.compute.fleet import Job, Result, Work
from mpt.compute.progress import OnStep
from mpt.errors import MptError

RETRIES = 3
"""How often a pack is computed again after its process was lost."""
GRACE = 10.0
"""Seconds that packs have to write their checkpoints when they are called off."""
CALL_OFF = signal.SIGUSR2
"""Interrupts a pack; what a terminal sends to all of its processes is left to the driver."""

Done = tuple[Any, int]
"""What a job returned for a pack, and the steps it took."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A pack that is being computed: on which device, and how often its process was lost."""

    device: str
    pack: Sequence[Any]
    losses: int


class DeviceFleet:
    """Compute each pack in the process of a device that is free; the model is loaded once in each.

    Args:
        devices: ``cuda:N`` or ``cpu``, one process for each.
        warn: called with a message when a process was lost.
    """

    def __init__(self, devices: Sequence[str], warn: Callable[[str], None]) -> None:
        self._names = [f"{device} #{at}" for at, device in enumerate(devices)]
        self._devices = dict(zip(self._names, devices, strict=True))
        self._pools: dict[str, ProcessPoolExecutor] = {}
        self._warn = warn

    @property
    def slots(self) -> int:
        """Number of packs at the same time, one for each device."""
        return len(self._devices)

    def __enter__(self) -> DeviceFleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._pools.clear()

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """Yield results as ``Fleet.map``; a pack's steps are reported with its result.

        Raises:
            MptError: the process of a pack was lost more than ``RETRIES`` times.
        """
        pickled, remaining, free = pickle.dumps(job), iter(packs), list(self._names)
        running: dict[Future[Done], _Running] = {}
        try:
            while True:
                while free and (pack := next(remaining, None)) is not None:
                    begun = _Running(free.pop(0), pack, 0)
                    running[self._submit(pickled, begun)] = begun
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    ended = running.pop(future)
                    try:
                        result, steps = future.result()
                    except BrokenProcessPool:
                        again = self._lost(ended)
                        running[self._submit(pickled, again)] = again
                        continue
                    free.append(ended.device)
                    on_step(steps)
                    yield result
        finally:
            self._call_off(running)

    def _submit(self, pickled: bytes, begun: _Running) -> Future[Done]:
        if begun.device not in self._pools:
            self._pools[begun.device] = ProcessPoolExecutor(
                max_workers=1,
                # a forked process has no CUDA
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(self._devices[begun.device], os.getpid()),
            )
        return self._pools[begun.device].submit(_compute, pickled, begun.pack)

    def _lost(self, ended: _Running) -> _Running:
        """Give up the process of a device; return the pack to be computed again in another one."""
        self._pools.pop(ended.device).shutdown()
        device = self._devices[ended.device]
        if ended.losses == RETRIES:
            raise MptError(
                f"a pack was lost {RETRIES + 1} times with its process on {device}",
                fix="a machine that is short of memory kills processes: give a smaller pack",
            )
        self._warn(f"the process on {device} was lost; its pack is computed again")
        return _Running(ended.device, ended.pack, ended.losses + 1)

    def _call_off(self, running: dict[Future[Done], _Running]) -> None:
        """Interrupt packs, and end their processes once they have saved or had time for it."""
        if not running:
            return
        pools = [self._pools.pop(one.device) for one in running.values()]
        processes = [process for pool in pools for process in _processes(pool)]
        for process in processes:
            with suppress(OSError, ValueError):
                os.kill(process.pid, CALL_OFF)
        wait(running, timeout=GRACE)
        for process in processes:
            process.kill()
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _processes(pool: ProcessPoolExecutor) -> list[Any]:
    """The process of a pool; none once it has broken."""
    return list((pool._processes or {}).values())


def _begin(device: str, driver: int) -> None:
    """Prepare a process for the packs of one device; it ends with its driver."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(CALL_OFF, _interrupt)
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    if device.startswith("cuda"):
        import torch

        torch.cuda.set_device(torch.device(device))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with(driver: int) -> None:
    """End this process when its driver has gone: nothing else would tell it."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def _compute(pickled: bytes, pack: Sequence[object]) -> Done:
    """Compute a pack; return its result and the steps it took."""
    steps: list[int] = []
    # the bytes come from the driver, whose process this is a part of
    result = pickle.loads(pickled)(pack, steps.append)  # noqa: S301
    return result, sum(steps)
