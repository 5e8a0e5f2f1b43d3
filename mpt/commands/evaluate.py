"""`mpt evaluate`: a prompt on target tasks, beside plain prompt tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import ConsoleProgress, err, out
from mpt.commands.terminal.options import Device, Quiet, Verbose, by_commas, from_home


def evaluate(
    prompt: Annotated[
        str,
        typer.Argument(help="A digest, a registered prompt's name, or `vocabulary` (plain PT)."),
    ],
    setting: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.settings,
            help="The setting whose target tasks are used (default: R->R)",
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.tasks,
            help="Target tasks, comma-separated, instead of a setting.",
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            callback=from_home,
            help="A study file, for `tuning` and the seeds and rates of `final`.",
        ),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: mini)")
    ] = None,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tune a prompt on target tasks and score it.

    Prints the scores and the ARG over plain prompt tuning. All data seeds and learning rates of
    the study's `final` are run; for each seed the rate with the best dev score counts. Nothing
    that the ledger holds is computed again.

    Example: mpt evaluate 1f2e3d --setting 'Cls->Cls'
    """
    from mpt.report.scoring import scoring_notes
    from mpt.report.tables.grid import Sheet
    from mpt.report.views import arg_sheet, evaluation_grid, evaluation_json

    found = mpt.evaluate(
        prompt,
        setting,
        tasks=by_commas(tasks),
        study=study,
        gym=gym,
        device=device,
        progress=ConsoleProgress(quiet=quiet, verbose=verbose),
    )
    if json:
        out.raw(evaluation_json(prompt, found.records, found.gain, found.scoring))
        return
    grid = evaluation_grid(found.setting, found.records, found.gain)
    out.sheet(Sheet(grid, f"{prompt} on {found.setting}", scoring_notes(found.scoring)))
    if found.gain is not None:
        out.sheet(arg_sheet([found.gain]))
    for warning in found.warnings:
        err.line(f"warning: {warning}", "yellow")
