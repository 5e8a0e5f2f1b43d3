"""The command line `mpt`: the table of commands, and the one place where errors become lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mpt import __version__
from mpt.commands import arg, backbone, gym, promote, studies, sweep, sync, ui
from mpt.commands.console import err
from mpt.errors import MptError

app = typer.Typer(
    name="mpt",
    help="Meta prompt tuning: sweep, look, promote. Begin with `mpt sweep --method reptile`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("sweep")(sweep.sweep)
app.command("promote")(promote.promote)
app.command("ui")(ui.ui)
app.command("arg")(arg.arg)
app.command("sync")(sync.sync)
app.add_typer(studies.app, name="studies")
app.add_typer(gym.app, name="gym")
app.add_typer(backbone.app, name="backbone")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mpt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Meta prompt tuning: sweep, look, promote. Begin with `mpt sweep --method reptile`."""


def main() -> None:
    """Run a command; an error that mpt knows is one line on standard error and an exit code.

    Exit codes: 0 done, 1 failed, 2 wrong input (nothing was written), 130 stopped by the user.
    """
    try:
        app()
    except MptError as error:
        err.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("stopped; what is recorded is kept: the same command continues", markup=False)
        sys.exit(130)
