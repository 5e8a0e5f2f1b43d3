"""`mpt arg`: average relative gain from a table of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpt.commands.console import err, out
from mpt.commands.options import from_home


def arg(
    file: Annotated[
        Path,
        typer.Argument(
            callback=from_home, help="CSV: setting, method, task, seed, dev, test[, lr]."
        ),
    ],
    baseline: Annotated[str, typer.Option(help="The method that gains are relative to.")] = "PT",
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 10_000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: see docs/arg.md.")] = False,
) -> None:
    """ARG per setting and method, with 95 % intervals, from a table of results.

    ARG = 100 x mean over target tasks of (M - B) / B, where M and B are a method's and the
    baseline's mean test scores over seeds. Of several learning rates, each seed takes the one with
    the best dev score, ties the larger. The first interval asks how other tasks of this kind would
    gain (bootstrap over tasks and seeds), the second how these tasks would with other seeds.

    Example: mpt arg results.csv --baseline PT --json
    """
    from mpt.report.results_table import read_scores
    from mpt.report.views import arg_json, arg_sheet
    from mpt.stats.scores import gains

    found = gains(read_scores(file), baseline=baseline, resamples=resamples)
    if json:
        out.raw(arg_json(found, file=str(file), baseline=baseline, resamples=resamples))
        return
    out.sheet(arg_sheet(found, f"Average relative gain over {baseline} (%)"))
    for gain in found:
        for warning in gain.warnings:
            err.line(f"warning: {warning}", "yellow")
