"""The terminal: what is printed stands there literally; progress is a bar, or plain lines."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from mpt.api.work.compute import PlainProgress, stage_line
from mpt.files.escaping import visible
from mpt.report.json_text import json_text
from mpt.report.tables.grid import Sheet
from mpt.report.terminal import print_sheet, rich_table

if TYPE_CHECKING:
    from mpt.api.work.compute import Matrix, OnStep


class _Quiet(Console):
    """Standard error: what nobody can read there is no reason to stop."""

    def _check_buffer(self) -> None:
        with suppress(OSError):
            super()._check_buffer()

    def on_broken_pipe(self) -> None:
        """Go on; see ``Console.on_broken_pipe``."""


class Terminal:
    """A stream that people read: every text stands there as it is, and acts on nothing.

    No markup and no emoji codes are read in it, signs that nobody sees are written out, lines and
    rows of tables are not cut or wrapped where they go into a file.

    Raises:
        OSError: standard output cannot be written.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @property
    def is_terminal(self) -> bool:
        """Whether bars can be drawn on it."""
        return self.console.is_terminal

    def line(self, text: str = "", style: str = "", end: int | None = None) -> None:
        """One line, whatever the text holds; styled up to the sign ``end``, or all of it."""
        shown = Text(visible(text))
        shown.stylize(style, 0, end)
        self.console.print(shown, soft_wrap=True)

    def sheet(self, sheet: Sheet) -> None:
        """A table."""
        print_sheet(self.console, sheet)

    def json(self, value: object) -> None:
        """A value as JSON."""
        self.raw(json_text(value))

    def raw(self, text: str) -> None:
        """A text for programs, to the letter; its last line is ended."""
        file = self.console.file
        file.write(text if text.endswith("\n") else f"{text}\n")
        file.flush()


# NO_COLOR (no-color.org): rich itself would still print bold text
_COLOURS: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
out = Terminal(Console(highlight=False, color_system=_COLOURS))
err = Terminal(_Quiet(stderr=True, highlight=False, color_system=_COLOURS))


class _Stream(io.TextIOWrapper):
    """Standard output or error in UTF-8, whatever the locale says; remembers why it takes no more.

    Attributes:
        fault: that of the first write that failed.
    """

    fault: OSError | None = None

    def write(self, text: str, /) -> int:
        """See ``io.TextIOWrapper``."""
        try:
            return super().write(text)
        except OSError as fault:
            self.fault = self.fault or fault
            raise

    def flush(self) -> None:
        """See ``io.TextIOWrapper``."""
        try:
            super().flush()
        except OSError as fault:
            self.fault = self.fault or fault
            raise


def speak_utf8() -> None:
    """Have names and answers written whatever signs they hold."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            lines, through = stream.line_buffering, stream.write_through
            utf8 = _Stream(
                stream.detach(),
                encoding="utf-8",
                errors="backslashreplace",
                line_buffering=lines,
                write_through=through,
            )
            setattr(sys, name, utf8)
            # some libraries write there, and the old stream takes nothing any more
            setattr(sys, f"__{name}__", utf8)


class _Logged(logging.Handler):
    """Prints what mpt's rooms log, as warnings and notes of a command."""

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        said = record.getMessage()
        err.line(said if said.startswith(("warning: ", "note: ")) else f"warning: {said}")


def _timed(line: str) -> None:
    err.line(f"{datetime.now():%H:%M:%S} {line}")


class _Library(logging.Handler):
    """Prints what libraries log, with the time of day and the library's name."""

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        # what mpt itself logs is printed already
        if not record.name.startswith("mpt."):
            _timed(f"{record.name}: {record.getMessage()}")


def hear_warnings() -> None:
    """Print what is logged within mpt; without a handler Python would, escape sequences and all."""
    log = logging.getLogger("mpt")
    if not any(isinstance(handler, _Logged) for handler in log.handlers):
        log.addHandler(_Logged(logging.WARNING))


def hear_libraries() -> None:
    """Print what libraries log."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if not any(isinstance(handler, _Library) for handler in root.handlers):
        root.addHandler(_Library(logging.INFO))


def unwritten(stream: object) -> OSError | None:
    """Why standard output, or error, did not take it all, if so; it goes nowhere from then on."""
    stream = getattr(stream, "wrapped", stream)  # Typer wraps it once a pipe is broken
    if not isinstance(stream, _Stream):
        return None
    with suppress(OSError, ValueError):  # a closed one has nothing left to write
        stream.flush()
    if stream.fault:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return stream.fault


class ConsoleProgress(PlainProgress):
    """Progress on standard error: bars and a campaign's matrix on a terminal, else lines.

    Args:
        quiet: print nothing but warnings.
        verbose: print lines in any case, with the time of day, and what libraries log.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(_timed if verbose else lambda line: err.line(line))
        self._quiet, self._verbose = quiet, verbose
        if verbose:
            hear_libraries()

    def say(self, line: str) -> None:
        """See ``Progress.say``."""
        if not self._quiet or line.startswith("warning: "):
            super().say(line)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[OnStep]:
        """See ``Progress.stage``."""
        is_drawn = err.is_terminal and not (self._quiet or self._verbose)
        shown = _bar(title, total, self._matrix) if is_drawn else super().stage(title, total)
        with shown as advance:
            yield advance


@contextmanager
def _bar(title: str, total: int, matrix: Matrix | None) -> Iterator[OnStep]:
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=err.console)

    def shown() -> RenderableType:
        if matrix is None:
            return bar
        from mpt.report.tables.matrix_grid import matrix_grid, summary

        table = rich_table(matrix_grid(matrix), err.console.width)
        return Group(table, Text(summary(matrix)), bar)

    with Live(get_renderable=shown, console=err.console, transient=True):
        task = bar.add_task(visible(title), total=total)
        yield lambda steps: bar.advance(task, steps)
        ended = bar.tasks[0]
    err.line(stage_line(title, round(ended.completed), total, ended.elapsed or 0.0))


def steps_on(lines: Mapping[str, str]) -> None:
    """What to type next, and what for."""
    width = max(map(len, lines))
    for place, (command, purpose) in enumerate(lines.items()):
        lead = "" if place else "Next:"
        out.line(f"{lead:<6}{command:<{width}}  # {purpose}")
