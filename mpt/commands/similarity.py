"""`mpt similarity`: which tasks have prompts that are alike, and which sources to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import ConsoleProgress, err, out
from mpt.commands.terminal.options import Quiet, Verbose, by_commas, from_home
from mpt.errors import InputError


def similarity(
    study: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.studies,
            help="A study's name, or a study file (default: the newest study)",
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Tasks, comma-separated (default: all of the study's settings)"),
    ] = None,
    suggest: Annotated[
        str | None, typer.Option(help="A target task to suggest source tasks for.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="With --suggest: how many source tasks.")] = 5,
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune the prompts that are missing.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", callback=from_home, help="Write a heat map to this .png or .svg file."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="With --tune: cpu, cuda or cuda:N.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print the matrix as JSON.")] = False,
) -> None:
    """Compare the tuned prompts of tasks.

    A task's subspace holds 95 % of the prompt that plain prompt tuning found for it (by SVD). The
    correlation of another task with it is the norm of that task's prompt projected onto the
    subspace, averaged over data seeds: 1 within the subspace, 0 at right angles. Prompts come from
    the ledger, for each seed the one with the best dev score.

    Example: mpt similarity --suggest forum-topic --out similarity.png
    """
    from mpt.report.views import similarity_json, similarity_sheet, sources_sheet

    if to is not None and to.suffix not in (".png", ".svg"):
        raise InputError(
            f"--out is {str(to)!r}",
            fix="give a file that ends in .png or .svg",
        )
    named = by_commas(tasks)
    if named and suggest and suggest not in named:
        named = (*named, suggest)
    found = mpt.similarity(
        study,
        named,
        tune=tune,
        device=device,
        progress=ConsoleProgress(quiet=quiet, verbose=verbose),
    )
    suggested = found.suggest(suggest, count) if suggest else None
    sources = suggested.sources if suggested else ()
    if to is not None:
        found.plot().save(to)
    if json:
        out.raw(similarity_json(found.records, suggest, sources))
        return
    if suggested:
        out.sheet(sources_sheet(suggested.target, sources, found.records))
        out.line(f"In a study file:  sources: [{', '.join(suggested.tasks)}]")
        for warning in suggested.warnings:
            err.line(f"warning: {warning}", "yellow")
    else:
        out.sheet(similarity_sheet(found.records))
    if to is not None:
        out.line(f"Heat map: {to}")
