"""`mpt arg`: average relative gain from a table of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import err, out
from mpt.commands.terminal.options import from_home


def arg(
    file: Annotated[
        Path,
        typer.Argument(
            callback=from_home, help="CSV: setting, method, task, seed, dev, test[, lr]."
        ),
    ],
    baseline: Annotated[str, typer.Option(help="The method that gains are relative to.")] = "PT",
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 10_000,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, as described in docs/arg.md.")
    ] = False,
) -> None:
    """Compute ARG from a table of results.

    Prints ARG = 100 x mean over target tasks of (M - B) / B with 95 % intervals, for each setting
    and method. M and B are the mean test scores over seeds of a method and of the baseline. For
    each seed the learning rate with the best dev score counts; ties go to the larger one. The
    first interval is for other tasks of this kind (bootstrap over tasks and seeds), the second for
    the same tasks with other seeds.

    Example: mpt arg results.csv --baseline PT --json
    """
    from mpt.report.views import arg_json, arg_sheet

    found = mpt.gains(file, baseline, resamples=resamples)
    if json:
        out.raw(arg_json(found, file=str(file), baseline=baseline, resamples=resamples))
        return
    out.sheet(arg_sheet(found, f"Average relative gain over {baseline} (%)"))
    for gain in found:
        for warning in gain.warnings:
            err.line(f"warning: {warning}", "yellow")
