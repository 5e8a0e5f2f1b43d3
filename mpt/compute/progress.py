"""How long-running work reports progress, without knowing who displays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

OnStep = Callable[[int], None]
"""Called with the number of steps just taken."""


class Progress(Protocol):
    """Display progress: the command line shows bars with an ETA, or lines without a terminal."""

    def stage(self, title: str, total: int) -> AbstractContextManager[OnStep]:
        """Begin a piece of work of ``total`` steps; yield the function that counts steps taken."""
        ...

    def say(self, line: str) -> None:
        """Show a line that stays on the screen."""
        ...


class Silent:
    """Display nothing."""

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[OnStep]:
        """Yield a function that ignores steps."""
        yield lambda steps: None

    def say(self, line: str) -> None:
        """Ignore the line."""
