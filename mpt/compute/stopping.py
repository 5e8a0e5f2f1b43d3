"""When to stop or to save: signals and a time budget, checked between packs and steps."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from mpt.compute.duration import duration
from mpt.errors import MptError

_FINISHING = (
    "{name}: the running pack is finished and recorded, then mpt stops; once more stops at once "
    "(what is recorded and checkpointed is kept)"
)
_NOW = "{name} again: stopping at once"
_SAVING = "{name}: running meta-trainings write their checkpoints and continue"


class Stopped(MptError):
    """Signal that work ended early, as requested; what is recorded is kept."""


class Stopping:
    """Decide whether work must end, or save a checkpoint, before it is complete.

    Inside ``with``, the first SIGINT or SIGTERM lets the running pack finish, the second raises
    ``KeyboardInterrupt`` at once, and SIGUSR1 asks for checkpoints. Outside of it signals are left
    alone, so that an instance that was never entered and has no budget never stops anything.

    Args:
        budget: how long from now, as ``duration`` parses it; None for as long as it takes.
    """

    def __init__(self, budget: str | None = None) -> None:
        self._budget = budget
        # setting the system clock must not change the budget
        self._end = None if budget is None else time.monotonic() + duration(budget)
        self._signal = ""
        self._saves = self._leaves = False
        self._before: dict[signal.Signals, Any] = {}

    @classmethod
    def of(cls, budget: str | Stopping | None) -> Stopping:
        """Return the one that is given, or one with this budget."""
        return budget if isinstance(budget, Stopping) else cls(budget)

    def __getstate__(self) -> dict[str, Any]:
        # another machine's monotonic clock has another origin: send the remaining seconds; signal
        # handlers stay here
        left = None if self._end is None else self._end - time.monotonic()
        return {**vars(self), "_end": left, "_before": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        left = state["_end"]
        vars(self).update(state, _end=None if left is None else time.monotonic() + left)

    def __enter__(self) -> Stopping:
        if threading.current_thread() is not threading.main_thread():
            # Python lets no other thread handle signals: there the budget alone ends work
            return self
        handlers = {
            signal.SIGINT: self._stop,
            signal.SIGTERM: self._stop,
            signal.SIGUSR1: self._save,
        }
        self._before = {
            number: signal.signal(number, handler) for number, handler in handlers.items()
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def reason(self) -> str:
        """Why no further pack may begin; empty while work continues."""
        if self._signal:
            return self._signal
        return f"the budget of {self._budget} is spent" if self._is_over else ""

    @property
    def by_signal(self) -> bool:
        """Whether a person or a scheduler asked to stop, rather than the budget."""
        return bool(self._signal)

    def saves(self) -> bool:
        """Return whether a meta-training must write its checkpoint after this step."""
        self._leaves = self._is_over
        saves, self._saves = self._saves or self._leaves, False
        return saves

    def leave(self) -> None:
        """Raise ``Stopped`` after a step whose checkpoint was written because the time is up."""
        if self._leaves:
            raise Stopped(self.reason)

    @property
    def _is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def _stop(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._signal:
            # a third signal gets the handler that was there before
            self.__exit__(None, None, None)
            _say(_NOW.format(name=name))
            raise KeyboardInterrupt
        # save as well: schedulers that send SIGTERM often send SIGKILL soon afterwards
        self._signal, self._saves = name, True
        _say(_FINISHING.format(name=name))

    def _save(self, number: int, frame: FrameType | None) -> None:
        self._saves = True
        _say(_SAVING.format(name=signal.Signals(number).name))


def _say(line: str) -> None:
    """Write a line from a signal handler, which may have interrupted a buffered write."""
    lead = "\n" if sys.stderr.isatty() else ""
    os.write(2, f"{lead}{line}\n".encode())
