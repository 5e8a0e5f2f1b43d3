"""A report: one page and its tables, from a study, a promotion or a table of results."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from mpt.api.values.searched import found_search
from mpt.errors import InputError
from mpt.report.caution import warnings
from mpt.report.findings import Findings
from mpt.report.page import write_report as write_page


@dataclass(frozen=True)
class Report:
    """A report on disk.

    Attributes:
        page: one HTML file that needs no network, tables and figures beside it.
        findings: everything that it is made from.
        warnings: what a reader should know before believing the numbers.
    """

    page: Path
    findings: Findings
    warnings: tuple[str, ...]


def write_report(
    out: str | Path,
    *,
    study: str | None = None,
    promotion: str | None = None,
    results: str | Path | None = None,
    baseline: str = "PT",
    backbone: str = "",
    setting: str = "",
    command: str | None = None,
) -> Report:
    """Write a report of a study, of a promotion or of a table of results; nothing is computed.

    Args:
        out: the folder; an earlier report in it is replaced.
        study: a study's name: its trials and curves. By default, where nothing else is named, the
            study begun last.
        promotion: a promoted study's name, or ``STUDY-N`` for its trial N.
        results: a CSV file, see ``arg``.
        baseline, backbone, setting: of ``results``: what gains are over, the backbone that the
            paper's values are shown for, and the setting of all rows if the table names none.
        command: what makes the report again, as it says; by default the `mpt report` of this.

    Raises:
        InputError: several things to report were named, there is no study yet, or the folder
            cannot be written.
        UnknownName: no such study.

    Example::

        mpt.write_report("report", results="results.csv").page
    """
    named = {"--study": study, "--promotion": promotion, "--results": results}
    named = {option: str(value) for option, value in named.items() if value is not None}
    if not named:
        study = found_search(None).study.title
        named = {"--study": study}
    if len(named) != 1:
        raise InputError(
            f"{len(named)} things to report were named",
            fix="name one: --study NAME, --promotion NAME or --results FILE.csv",
        )
    again = ["mpt", "report", *(word for pair in named.items() for word in pair), "--out", str(out)]
    again += ["--baseline", baseline] if results is not None and baseline != "PT" else []
    command = command or shlex.join(again)
    if results is not None:
        file = Path(results).expanduser()
        found = _of_table(file, command, baseline, backbone, setting)
    elif study is not None:
        found = _of_study(study, command)
    else:
        found = _of_promotion(str(promotion), command)
    page = write_page(found, Path(out).expanduser())
    return Report(page, found, tuple(warnings(found)))


def _of_table(file: Path, command: str, baseline: str, backbone: str, setting: str) -> Findings:
    from mpt.report.collect import table_findings

    return table_findings(file, command, baseline=baseline, backbone=backbone, setting=setting)


def _of_study(name: str, command: str) -> Findings:
    from mpt.api.values.searched import load_study
    from mpt.lab.recorded import recorded_study
    from mpt.report.collect import study_findings

    search = load_study(name)
    findings = study_findings(*recorded_study(name), command)
    best = search.best_record
    return replace(findings, ranking=search.remarks, winner=best.number if best else None)


def _of_promotion(name: str, command: str) -> Findings:
    from mpt.lab.recorded import recorded_promotion
    from mpt.report.collect import promotion_findings
    from mpt.store.home import Home

    return promotion_findings(*recorded_promotion(name), command, Home.find())
