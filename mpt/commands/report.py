"""`mpt report`: one page and its tables, from a study, a promotion or a table of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpt.commands.console import err, out
from mpt.commands.options import from_home
from mpt.errors import InputError


def report(
    to: Annotated[
        Path,
        typer.Option(
            "--out", callback=from_home, help="Folder of the report; an earlier report is replaced."
        ),
    ],
    study: Annotated[str | None, typer.Option(help="A study, for its trials and curves.")] = None,
    promotion: Annotated[
        str | None, typer.Option(help="A promoted study, or STUDY-N for its trial N.")
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
    import shlex
    import sys

    from mpt.report.caution import warnings
    from mpt.report.collect import promotion_findings, study_findings, table_findings
    from mpt.report.page import write_report

    asked = [name for name in (study, promotion, results) if name is not None]
    if len(asked) != 1:
        raise InputError(
            f"{len(asked)} things to report were named; name one: --study NAME, --promotion NAME "
            "or --results FILE.csv"
        )
    command = shlex.join(["mpt", *sys.argv[1:]])
    if results is not None:
        found = table_findings(
            results, command, baseline=baseline, backbone=backbone, setting=setting
        )
    elif study is not None:
        from mpt.lab.recorded import recorded_study

        found = study_findings(*recorded_study(study), command)
    else:
        from mpt.lab.recorded import recorded_promotion
        from mpt.store.home import Home

        found = promotion_findings(*recorded_promotion(str(promotion)), command, Home.find())
    page = write_report(found, to)
    for warning in warnings(found):
        err.line(f"warning: {warning}", "yellow")
    out.line(f"Report: {page}")
