"""Reports: one self-contained page, and the same tables and figures as files beside it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import InputError
from mpt.files import escaping as foreign
from mpt.report.caution import warnings
from mpt.report.figures.heat import rates_figure, similarity_figure
from mpt.report.figures.pace import curves_figure, dev_figure, pace_figure
from mpt.report.figures.search import importance_figure, parallel_figure, slices_figure
from mpt.report.figures.style import png, svg
from mpt.report.figures.tasks import task_figure
from mpt.report.figures.trials import arg_figure, trials_figure
from mpt.report.findings import Findings
from mpt.report.paper import paper_source
from mpt.report.scoring import scoring_notes
from mpt.report.tables.comparisons import importance_grid, pace_grid, paired_grid
from mpt.report.tables.grid import Grid, latex, markdown
from mpt.report.tables.records import csv_text, parquet_bytes, records
from mpt.report.tables.report_tables import arg_grid, score_grid, trial_grid, unit_grid
from mpt.report.verdict import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"

FOLDED = 20
"""More rows than this are folded away where they interrupt the page."""

_BACKTICKED = re.compile("`([^`]+)`")

UNITS_SHOWN = 3000
"""Units listed on a page at most, as a longer page is slow to open; ``units.csv`` has all."""


def write_report(findings: Findings, out: Path) -> Path:
    """Write the report into the folder ``out`` atomically; an earlier report there is replaced.

    Returns:
        The path of the page, ``out/report.html``. Beside it lie ``report.md``, the tables ``arg``,
        ``gains``, ``scores`` (which ``mpt arg`` reads), ``trials`` and ``units`` as CSV and
        parquet, those meant for people also as Markdown and LaTeX, and ``figures/`` as SVG and
        PNG. A table without rows has no files.

    Raises:
        InputError: ``out`` is a file or a folder with other content, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and ((out / PAGE).exists() or not any(out.iterdir()))):
        raise InputError(
            f"{out} holds something that is not a report and would be overwritten",
            fix="name a new or empty folder",
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"{out} cannot be written ({error.strerror})",
            fix="name another folder",
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
    (folder / PAGE).write_text(_page(findings, drawings), encoding="utf-8")
    (folder / "report.md").write_text(_summary(findings, arg_grid(findings)), encoding="utf-8")
    for name, table in ((name, table) for name, table in records(findings).items() if table.rows):
        (folder / f"{name}.csv").write_text(csv_text(table), encoding="utf-8")
        (folder / f"{name}.parquet").write_bytes(parquet_bytes(table))
    for name, grids in _grids(findings).items():
        grids = {caption: grid for caption, grid in grids.items() if grid.rows}
        if not grids:
            continue
        md = [
            f"## {foreign.markdown(caption)}\n\n{markdown(grid)}\n"
            for caption, grid in grids.items()
        ]
        tex = [latex(grid, caption) for caption, grid in grids.items()]
        (folder / f"{name}.md").write_text("\n".join(md), encoding="utf-8")
        (folder / f"{name}.tex").write_text("\n".join(tex), encoding="utf-8")


def _grids(findings: Findings) -> dict[str, dict[str, Grid]]:
    """Return the tables meant for people, by file name and by caption."""
    scores = {setting: score_grid(findings, setting) for setting in findings.settings}
    summary = (f"{findings.title}.", verdict(findings), *scoring_notes(findings.scoring))
    return {
        "arg": {" ".join(summary): arg_grid(findings)},
        "scores": {f"{name}: test scores and gains": grid for name, grid in scores.items()},
        "paired": {"Methods side by side, paired by task": paired_grid(findings)},
        "convergence": {"Updates until the baseline's best dev score": pace_grid(findings)},
        "trials": {"Trials": trial_grid(findings)},
        "units": {"Units of work": unit_grid(findings.units, findings.names)},
    }


def _figures(findings: Findings) -> Iterator[tuple[str, Figure]]:
    if findings.gains:
        yield "arg", arg_figure(findings.gains)
    for setting, name in _task_figures(findings.settings).items():
        yield (
            name,
            task_figure(
                [gain for gain in findings.gains if gain.setting == setting],
                [score for score in findings.scores if score.setting == setting],
            ),
        )
    if findings.paces:
        yield "convergence", pace_figure(findings.dev_curves, findings.baseline)
        yield "dev", dev_figure(findings.dev_curves, findings.baseline)
    if findings.similarity:
        yield "similarity", similarity_figure(findings.similarity)
    if findings.trials:
        yield "trials", trials_figure(findings.trials, findings.winner)
    of_search = {
        "parallel": parallel_figure(findings.trials),
        "slices": slices_figure(findings.trials),
        "rates": rates_figure(findings.trials),
        "importance": importance_figure(findings.importance),
    }
    yield from ((name, figure) for name, figure in of_search.items() if figure is not None)
    if findings.curves:
        yield "curves", curves_figure(findings.curves, findings.curve_label)


def _task_figures(settings: Sequence[str]) -> dict[str, str]:
    """Map each setting to the file name of its figure of tasks; no two are alike."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for setting in settings:
        plain = "".join(c if c.isalnum() else "-" for c in setting.replace("->", "-to-"))
        # file names are limited in length, and some file systems ignore case
        name = f"tasks-{plain[:50]}"
        if name.lower() in taken:
            name = f"{name}-{len(taken) + 1}"
        taken.add(name.lower())
        names[setting] = name
    return names


def _page(findings: Findings, drawings: dict[str, str]) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # Markup, a subclass of str, is markup of our own and must not be escaped
        finalize=lambda value: foreign.name(value) if type(value) is str else value,
    )
    environment.filters["with_code"] = lambda text: Markup(
        _BACKTICKED.sub(r"<code>\1</code>", str(Markup.escape(foreign.name(text))))
    )
    template = environment.from_string(_packaged("page.html"))
    cells = [unit for unit in findings.units if unit.kind != "meta-training"]
    arg, names = arg_grid(findings), findings.names
    return template.render(
        warnings=warnings(findings),
        findings=findings,
        verdict=verdict(findings),
        style=Markup(_packaged("page.css")),
        figures={name: Markup(drawing) for name, drawing in drawings.items()},
        task_figure=_task_figures(findings.settings).__getitem__,
        arg=arg,
        has_paper=any(name.startswith("paper") for name in arg.header),
        scores={setting: score_grid(findings, setting) for setting in findings.settings},
        paired=paired_grid(findings),
        paces=pace_grid(findings),
        trials=trial_grid(findings),
        importance=importance_grid(findings),
        learned=unit_grid((u for u in findings.units if u.kind == "meta-training"), names),
        cells=unit_grid(cells[:UNITS_SHOWN], names),
        hidden=max(len(cells) - UNITS_SHOWN, 0),
        lost=unit_grid(findings.lost[:UNITS_SHOWN], names),
        lost_count=len(findings.lost),
        folded=FOLDED,
        paper=paper_source(),
        baseline=names[findings.baseline],
    )


def _summary(findings: Findings, table: Grid) -> str:
    """Format the report as Markdown: verdict, tables, warnings, provenance."""
    parts = [f"# {foreign.markdown(findings.title)}", foreign.markdown(verdict(findings))]
    facts = {"made": findings.created, "command": findings.command, **findings.facts}
    parts.append(_list(f"{name}: {value}" for name, value in facts.items() if value))
    parts.append("## Average relative gain")
    if findings.gains:
        parts += ["![average relative gain by setting and method](figures/arg.png)"]
    parts.append(markdown(table))
    if lines := warnings(findings):
        parts += ["## Warnings", _list(lines)]
    for setting, name in _task_figures(findings.settings).items():
        parts += [f"## {foreign.markdown(setting)}", f"![target tasks](figures/{name}.png)"]
        parts.append(markdown(score_grid(findings, setting)))
    if findings.versus:
        parts += ["## Methods side by side", markdown(paired_grid(findings))]
    if findings.paces:
        parts += ["## Convergence", "![convergence](figures/convergence.png)"]
        parts.append(markdown(pace_grid(findings)))
    if findings.trials:
        parts += ["## Sweep", "![trials](figures/trials.png)", markdown(trial_grid(findings))]
        parts.append(foreign.markdown(" ".join(findings.ranking)))
    if findings.lost:
        parts += ["## Units without a result", markdown(unit_grid(findings.lost, findings.names))]
    parts.append(_list(f"{name}: {value}" for name, value in findings.software.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {foreign.markdown(line)}" for line in lines)


def _packaged(name: str) -> str:
    return files("mpt.report").joinpath(name).read_text(encoding="utf-8")


def _replace(out: Path, made: Path) -> None:
    """Move ``made`` to ``out``; an earlier report is removed only once the new one is complete."""
    old = made.with_name(f"{made.name}.old")
    while made.exists():
        with suppress(FileNotFoundError):
            os.replace(out, old)
        try:
            os.replace(made, out)
        except OSError as error:
            # another command wrote a report in between: this one replaces it too
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        shutil.rmtree(old, ignore_errors=True)
