"""`mpt studies`: what has been searched so far."""

from __future__ import annotations

from typing import Annotated

import typer

from mpt.commands.console import err, out
from mpt.commands.reap import reap, retry

app = typer.Typer(help="List studies and their trials.", no_args_is_help=True)


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The studies of this store, the youngest first.

    Example: mpt studies list
    """
    from mpt.lab.home import Home
    from mpt.lab.search import Search
    from mpt.report.console import studies_json, studies_table

    found = {name: search.trials for name, search in Search.every(Home.find()).items()}
    if json:
        typer.echo(studies_json(found))
    elif not found:
        err.print("no study yet; begin one with `mpt sweep --method reptile`", markup=False)
    else:
        out.print(studies_table(found))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The trials of a study: parameters, ARG with interval, state.

    Example: mpt studies show mini-reptile
    """
    from mpt.lab.home import Home
    from mpt.lab.search import Search
    from mpt.report.console import trials_json, trials_table

    trials = Search.load(Home.find(), name).trials
    if json:
        typer.echo(trials_json(trials))
    else:
        out.print(trials_table(name, trials))


app.command()(reap)
app.command()(retry)
