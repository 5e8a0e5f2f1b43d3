"""`mpt report`: one page and its tables, from a study, a promotion or a table of scores."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import err, out
from mpt.commands.terminal.options import from_home


def report(
    to: Annotated[
        Path,
        typer.Option(
            "--out", callback=from_home, help="Folder of the report; an earlier report is replaced."
        ),
    ],
    study: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.studies,
            help="A study, for its trials and curves (default: the newest one)",
        ),
    ] = None,
    promotion: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.studies,
            help="A promoted study, or STUDY-N for its trial N (from 0).",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(callback=from_home, help="CSV: method, task, seed, dev, test[, setting, lr]."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="With --results: the method that gains are relative to.")
    ] = "PT",
    backbone: Annotated[
        str, typer.Option(help="With --results: a Hub id or the paper's name, e.g. T5-Base.")
    ] = "",
    setting: Annotated[
        str, typer.Option(help="With --results: the setting of all rows, if the table has none.")
    ] = "",
) -> None:
    """Write a report as one HTML page.

    The page needs no network. Its tables (CSV, parquet, Markdown, LaTeX) and figures are written
    beside it. Nothing is computed: results that the ledger lacks are shown as missing.

    Example: mpt report --results results.csv --out report
    """
    made = mpt.write_report(
        to,
        study=study,
        promotion=promotion,
        results=results,
        baseline=baseline,
        backbone=backbone,
        setting=setting,
        command=shlex.join(["mpt", *sys.argv[1:]]),
    )
    for warning in made.warnings:
        err.line(f"warning: {warning}", "yellow")
    out.line(f"Report: {made.page}")
