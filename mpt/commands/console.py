"""The terminal: progress with an ETA, plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from mpt.lab.matrix import Matrix

EVERY = 10.0
"""Seconds between plain progress lines."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class ConsoleProgress:
    """``mpt.lab.progress.Progress`` on standard error: bars on a terminal, else lines.

    Attributes:
        matrix: of a campaign, shown above the bar, or in lines at the end of a stage.
    """

    matrix: Matrix | None = None

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """See ``Progress.stage``."""
        shown = _bar(title, total, self.matrix) if err.is_terminal else _lines(title, total)
        with shown as advance:
            yield advance
        if self.matrix is not None and not err.is_terminal:
            from mpt.commands.matrix_view import matrix_lines

            for line in matrix_lines(self.matrix):
                self.say(line)

    def say(self, line: str) -> None:
        """See ``Progress.say``."""
        err.print(line, markup=False, soft_wrap=True)


@contextmanager
def _bar(title: str, total: int, matrix: Matrix | None) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=err)

    def shown() -> RenderableType:
        if matrix is None:
            return bar
        from mpt.commands.matrix_view import matrix_table

        return Group(matrix_table(matrix), bar)

    with Live(get_renderable=shown, console=err, transient=True):
        task = bar.add_task(title, total=total)
        yield lambda steps: bar.advance(task, steps)
        seconds = bar.tasks[0].elapsed or 0.0
    err.print(f"{title}: {total} steps in {clock(seconds)}", markup=False)


@contextmanager
def _lines(title: str, total: int) -> Iterator[Callable[[int], None]]:
    began = last = time.monotonic()
    done = 0

    def advance(steps: int) -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if now - last >= EVERY and done:
            last = now
            left = (now - began) / done * (total - done)
            print(
                f"{title}: {done}/{total} steps, about {clock(left)} left",
                flush=True,
                file=err.file,
            )

    yield advance
    seconds = time.monotonic() - began
    print(f"{title}: {total} steps in {clock(seconds)}", flush=True, file=err.file)


def steps_on(lines: Mapping[str, str]) -> None:
    """What to type next, and what for."""
    width = max(map(len, lines))
    for place, (command, purpose) in enumerate(lines.items()):
        lead = "" if place else "Next:"
        out.print(f"{lead:<6}{command:<{width}}  # {purpose}", markup=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """``1:02:03``, ``2:03`` or ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
