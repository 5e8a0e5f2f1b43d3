"""The command line `mpt`: the table of commands, and the one place where errors become lines."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Annotated

import typer
from typer.exceptions import TyperException

from mpt.commands import (
    arg,
    bench,
    campaign,
    doctor,
    evaluate,
    promote,
    report,
    run,
    similarity,
    studies,
    sweep,
    sync,
    ui,
    up,
)
from mpt.commands.prompts import export, predict, registry, show
from mpt.commands.tasks import gym
from mpt.commands.terminal.console import err, hear_warnings, out, speak_utf8, unwritten
from mpt.commands.terminal.layout import CommandGroup, lay_out
from mpt.commands.terminal.options import METHODS_LISTED
from mpt.commands.terminal.stop import STOPPED
from mpt.errors import InputError, MptError
from mpt.version import __version__

app = typer.Typer(
    name="mpt",
    help="Meta prompt tuning: search, inspect, promote. Start with `mpt sweep --method reptile`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=CommandGroup,
)
app.command("sweep", epilog=METHODS_LISTED)(sweep.sweep)
app.command("promote")(promote.promote)
app.command("campaign")(campaign.campaign)
app.command("run")(run.run)
app.command("evaluate")(evaluate.evaluate)
app.command("ui")(ui.ui)
app.command("arg")(arg.arg)
app.command("report")(report.report)
app.command("similarity")(similarity.similarity)
app.command("show")(show.show)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("sync")(sync.sync)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.command("up")(up.up)
app.add_typer(studies.app, name="studies")
app.add_typer(registry.app, name="registry")
app.add_typer(gym.app, name="gym")

lay_out(
    app,
    {
        "Search": ["sweep", "studies", "run"],
        "Final evaluation": ["promote", "campaign", "evaluate", "arg", "report", "similarity"],
        "Prompts": ["predict", "export", "registry", "show"],
        "Gym": ["gym"],
        "Tracking": ["ui", "sync"],
        "Machines": ["doctor", "bench", "up"],
    },
)


def _version(wanted: bool) -> None:
    if wanted:
        out.line(f"mpt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Meta prompt tuning: search, inspect, promote. Start with `mpt sweep --method reptile`."""


def main() -> None:
    """Run a command; an error that mpt knows is one line on standard error and an exit code.

    Exit codes: 0 done, or its budget of time is spent; 1 failed, or nobody read on; 2 wrong input
    (nothing was written); 130 stopped by a signal.
    """
    speak_utf8()
    hear_warnings()
    code = STOPPED
    with suppress(KeyboardInterrupt):
        code = _run()
    if code == STOPPED:
        _say("stopped; what is recorded is kept: the same command resumes")
    if fault := unwritten(sys.stdout):
        code = MptError.exit_code
        # of a pipe whose reader went away there is nobody to tell
        if not isinstance(fault, BrokenPipeError):
            _say(f"error: standard output cannot be written ({fault.strerror})")
    unwritten(sys.stderr)
    sys.exit(code)


def _run() -> int:
    try:
        _check_words()
        # Typer's own way with errors is a frame of several lines, and silence for an interrupt
        return app(prog_name="mpt", standalone_mode=False) or 0
    except MptError as error:
        _say(f"error: {error}")
        return error.exit_code
    except TyperException as error:
        # nothing left to say: a group called without a command has shown its help
        if message := error.format_message().rstrip("."):
            context = getattr(error, "ctx", None)
            _say(f"error: {message} (see `{context.command_path if context else 'mpt'} --help`)")
        return error.exit_code
    except (OSError, SystemExit) as left:
        # Typer and rich leave in silence for any broken pipe, one to a server among them
        cause = left.__context__ if isinstance(left, SystemExit) else left
        if not isinstance(cause, OSError):
            raise
        if unwritten(sys.stdout):
            return MptError.exit_code
        raise cause from None


def _check_words() -> None:
    """Raise ``InputError`` if something typed, or told in the environment, is not UTF-8."""
    given = {f"argument {at}": word for at, word in enumerate(sys.argv[1:], start=1)}
    given |= {f"${name}": os.environ[name] for name in os.environ if name.startswith("MPT_")}
    for what, word in given.items():
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(word).decode(errors="backslashreplace")
            raise InputError(
                f"{what}, '{shown}', holds bytes that are no UTF-8",
                fix="type it in UTF-8, and rename a file that is called so",
            ) from None


def _say(text: str) -> None:
    err.line(re.sub(r"\s*\n\s*", " ", text.strip()))
