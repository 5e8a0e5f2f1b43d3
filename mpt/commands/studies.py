"""`mpt studies`: what has been searched so far."""

from __future__ import annotations

from typing import Annotated

import typer

import mpt
from mpt.commands.reap import reap, retry
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import err, out

app = typer.Typer(help="List, inspect and repair studies.", no_args_is_help=True)


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the studies, newest first.

    Example: mpt studies list
    """
    from mpt.api.studies import every_trial, listed
    from mpt.report.views import studies_json, studies_sheet

    if json:
        for text in studies_json(every_trial()):
            out.raw(text)
    elif not (found := listed()):
        err.line("no study yet; begin one with `mpt sweep --method reptile`")
    else:
        out.sheet(studies_sheet(found))


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.studies, help="The study's name (default: the newest one)"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the trials of a study.

    For each trial its parameters, its ARG with interval, and its state; below, how far their
    ranking can be relied on.

    Example: mpt studies show mini-reptile
    """
    from mpt.report.views import trials_json, trials_sheet

    search = mpt.load_study(name)
    if json:
        out.raw(trials_json(search.records, search.reliability, search.race))
    else:
        title, remarks = search.study.title, search.remarks
        out.sheet(trials_sheet(title, search.records, remarks, search.best_record))


@app.command()
def forget(
    digest: Annotated[str, typer.Argument(help="A unit's digest, or its first digits.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forget a damaged unit, to compute it again.

    Its prompt and checkpoint are removed, and every unit that started from its prompt is forgotten
    with it, since nobody can tell whether the prompt was already damaged then. Trials that depend
    on them wait for the next `mpt sweep` and keep their numbers and parameters. What a running
    driver holds is left alone.

    Example: mpt studies forget 1f2e3d4c5b6a
    """
    found = mpt.forget(digest)
    if json:
        trials = {study: list(numbers) for study, numbers in found.trials.items()}
        out.json({"digest": found.digest, "begun": found.begun, "trials": trials})
        return
    also = f" and {len(found.begun)} units that began from its prompt" if found.begun else ""
    lines = [f"{found.digest}{also}: forgotten; the command that computed it computes it again"]
    for study, numbers in found.trials.items():
        named = ", ".join(map(str, numbers))
        lines.append(f"{study}: trial {named} waits for the next `mpt sweep`")
    for line in lines:
        out.line(line)


app.command()(reap)
app.command()(retry)
