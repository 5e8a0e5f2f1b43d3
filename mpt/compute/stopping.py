"""When to stop or to save: signals and a budget of time, asked between packs and between steps."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

from mpt.compute.duration import duration
from mpt.errors import MptError

_FINISHING = (
    "{name}: the pack under way is finished and recorded, then mpt stops; once more stops at once "
    "(what is recorded and checkpointed is kept)"
)
_NOW = "{name} again: stopping at once"
_SAVING = "{name}: meta-trainings under way write their checkpoints and go on"


class Stopped(MptError):
    """Work ended before it was complete, as asked; what is recorded is kept."""


class Stopping:
    """Whether work shall end, or save what it has, before it is complete.

    Inside ``with``, the first SIGINT or SIGTERM lets the pack under way finish, the second raises
    ``KeyboardInterrupt`` at once, and SIGUSR1 asks for checkpoints. Outside of it no signal is
    touched, so that one never entered and without a budget never stops anything.

    Args:
        budget: how long from now, as ``duration`` reads it; None for as long as it takes.
    """

    def __init__(self, budget: str | None = None) -> None:
        self._budget = budget
        # a clock that is set forward or back spends no budget and gives none
        self._end = None if budget is None else time.monotonic() + duration(budget)
        self._signal = ""
        self._saves = self._leaves = False
        self._before: dict[signal.Signals, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        # another machine's clock counts from elsewhere: it is sent what is left; signals stay here
        left = None if self._end is None else self._end - time.monotonic()
        return {**vars(self), "_end": left, "_before": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        left = state["_end"]
        vars(self).update(state, _end=None if left is None else time.monotonic() + left)

    def __enter__(self) -> Stopping:
        asked = {signal.SIGINT: self._stop, signal.SIGTERM: self._stop, signal.SIGUSR1: self._save}
        self._before = {number: signal.signal(number, do) for number, do in asked.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def reason(self) -> str:
        """Why no further pack shall begin; empty while work goes on."""
        if self._signal:
            return self._signal
        return f"the budget of {self._budget} is spent" if self._is_over else ""

    @property
    def by_signal(self) -> bool:
        """Whether a person or a scheduler asked, and not the budget."""
        return bool(self._signal)

    def saves(self) -> bool:
        """Whether a meta-training shall write its checkpoint after this step."""
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
            # a third one finds whatever was there before
            self.__exit__(None, None, None)
            _say(_NOW.format(name=name))
            raise KeyboardInterrupt
        # who stops a process gently may kill it soon afterwards
        self._signal, self._saves = name, True
        _say(_FINISHING.format(name=name))

    def _save(self, number: int, frame: FrameType | None) -> None:
        self._saves = True
        _say(_SAVING.format(name=signal.Signals(number).name))


def _say(line: str) -> None:
    """From within a signal handler, where buffered writing may be under way already."""
    lead = "\n" if sys.stderr.isatty() else ""
    os.write(2, f"{lead}{line}\n".encode())
