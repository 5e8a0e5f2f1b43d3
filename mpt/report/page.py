"""The report: one self-contained page, and the same tables and figures as files beside it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import InputError
from mpt.report import words
from mpt.report.caution import warnings
from mpt.report.figures import arg_figure, curves_figure, task_figure, trials_figure
from mpt.report.findings import Findings
from mpt.report.paper import paper_source
from mpt.report.style import png, svg
from mpt.report.tables import (
    Grid,
    arg_csv,
    arg_grid,
    csv_text,
    latex,
    markdown,
    score_csv,
    score_grid,
    trial_grid,
    unit_grid,
)
from mpt.report.verdict import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"

UNITS_SHOWN = 3000
"""A page with more rows of units than this is slow to open; ``units.csv`` has them all."""


def write_report(findings: Findings, out: Path) -> Path:
    """Write the report into the folder ``out``, whole or not at all; an earlier one is replaced.

    Returns:
        The page, ``out/report.html``. Beside it: ``report.md``, ``arg.csv``, ``arg.tex``,
        ``scores.csv`` (which ``mpt arg`` reads), ``units.csv`` and ``figures/`` as SVG and PNG.

    Raises:
        InputError: ``out`` is a file, or a folder with something else in it, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and ((out / PAGE).exists() or not any(out.iterdir()))):
        raise InputError(
            f"{out} holds something that is not a report, which would be lost; "
            "name a new or empty folder"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"{out} cannot be written ({error.strerror}); name another folder"
        ) from None
    try:
        _fill(made, findings)
        made.chmod(0o755)
        _replace(out, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out / PAGE


def _fill(folder: Path, findings: Findings) -> None:
    figures = dict(_figures(findings))
    drawings = {name: svg(figure, name) for name, figure in figures.items()}
    (folder / "figures").mkdir()
    for name, figure in figures.items():
        (folder / "figures" / f"{name}.svg").write_text(drawings[name], encoding="utf-8")
        (folder / "figures" / f"{name}.png").write_bytes(png(figure))
    table = arg_grid(findings)
    units = unit_grid(findings.units)
    for name, text in (
        (PAGE, _page(findings, drawings)),
        ("report.md", _summary(findings, table)),
        ("arg.csv", arg_csv(findings.gains)),
        ("arg.tex", latex(table, f"{findings.title}. {verdict(findings)}")),
        ("scores.csv", score_csv(findings)),
        ("units.csv", _plain_csv(units)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def _figures(findings: Findings) -> Iterator[tuple[str, Figure]]:
    if findings.gains:
        yield "arg", arg_figure(findings.gains)
    for setting in findings.settings:
        yield (
            _task_figure_name(setting),
            task_figure([gain for gain in findings.gains if gain.setting == setting]),
        )
    if findings.trials:
        yield "trials", trials_figure(findings.trials, findings.winner)
    if findings.curves:
        yield "curves", curves_figure(findings.curves, findings.curve_label)


def _task_figure_name(setting: str) -> str:
    return "tasks-" + "".join(c if c.isalnum() else "-" for c in setting.replace("->", "-to-"))


def _page(findings: Findings, drawings: dict[str, str]) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    template = environment.from_string(_packaged("page.html"))
    cells = [unit for unit in findings.units if unit.kind != "meta-training"]
    return template.render(
        warnings=warnings(findings),
        findings=findings,
        verdict=verdict(findings),
        style=Markup(_packaged("page.css")),
        figures={name: Markup(drawing) for name, drawing in drawings.items()},
        task_figure=_task_figure_name,
        arg=arg_grid(findings),
        scores={setting: score_grid(findings, setting) for setting in findings.settings},
        trials=trial_grid(findings),
        learned=unit_grid(u for u in findings.units if u.kind == "meta-training"),
        cells=unit_grid(cells[:UNITS_SHOWN]),
        hidden=max(len(cells) - UNITS_SHOWN, 0),
        lost=unit_grid(findings.lost),
        paper=paper_source(),
        baseline=words.method_name(findings.gains[0].baseline if findings.gains else "PT"),
    )


def _summary(findings: Findings, table: Grid) -> str:
    """The report in Markdown: verdict, tables, warnings, provenance."""
    parts = [f"# {findings.title}", verdict(findings)]
    facts = {"made": findings.created, "command": findings.command, **findings.facts}
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items() if value))
    parts += ["## Average relative gain", "![ARG](figures/arg.png)", markdown(table)]
    if met := warnings(findings):
        parts += ["## Warnings", "\n".join(f"- {line}" for line in met)]
    for setting in findings.settings:
        parts += [f"## {setting}", f"![{setting}](figures/{_task_figure_name(setting)}.png)"]
        parts.append(markdown(score_grid(findings, setting)))
    if findings.trials:
        parts += ["## Sweep", "![trials](figures/trials.png)", markdown(trial_grid(findings))]
    if findings.lost:
        parts += ["## Units without a result", markdown(unit_grid(findings.lost))]
    parts.append("\n".join(f"- {name}: {value}" for name, value in findings.software.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain_csv(grid: Grid) -> str:
    return csv_text([name.lower() for name in grid.header], grid.rows)


def _packaged(name: str) -> str:
    return files("mpt.report").joinpath(name).read_text(encoding="utf-8")


def _replace(out: Path, made: Path) -> None:
    """Put ``made`` where ``out`` is; an earlier report goes only once the new one is whole."""
    old = made.with_name(f"{made.name}.old")
    if out.exists():
        os.replace(out, old)
    os.replace(made, out)
    shutil.rmtree(old, ignore_errors=True)
