"""The option `--budget`, and how a command ends when it is asked to stop."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, NoReturn

import typer

import mpt
from mpt.api.work.compute import without_password
from mpt.commands.terminal.console import err

STOPPED = 130
"""What a shell calls a command that was stopped with Ctrl-C."""

Budget = Annotated[
    str | None,
    typer.Option(
        help="Stop cleanly after this time, e.g. 8h, 90m or 1h30m; the same command resumes."
    ),
]


def leave(stopping: mpt.Stopping, done: str) -> NoReturn:
    """Say what is done and what resumes it; exit code 0 after a budget, 130 after a signal."""
    done = done.removeprefix(f"{stopping.reason}: ")
    again = "" if stopping.by_signal else f"; resume with: {this_command()}"
    err.line(f"{stopping.reason}: {done}{again}")
    raise typer.Exit(STOPPED if stopping.by_signal else 0)


def this_command() -> str:
    """The command as it was typed, its passwords hidden."""
    return shlex.join(["mpt", *map(without_password, sys.argv[1:])])
