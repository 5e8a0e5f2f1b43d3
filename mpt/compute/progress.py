"""How long work tells that it is under way, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

OnStep = Callable[[int], None]
"""Told of steps just taken."""


class Progress(Protocol):
    """A listener; the command line shows bars with an ETA, or plain lines without a terminal."""

    def stage(self, title: str, total: int) -> AbstractContextManager[OnStep]:
        """A piece of work of ``total`` steps; the function it yields is told of steps taken."""
        ...

    def say(self, line: str) -> None:
        """A line worth keeping."""
        ...


class Silent:
    """Nobody listens."""

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[OnStep]:
        """See ``Progress.stage``."""
        yield lambda steps: None

    def say(self, line: str) -> None:
        """See ``Progress.say``."""
