"""Results of a preset: one table of variants x methods, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpt.lab.preset_runs import Pair, size
from mpt.lab.promote import Promotion
from mpt.report import words
from mpt.report.collect import promotion_findings
from mpt.report.findings import Findings
from mpt.report.page import write_report
from mpt.report.scoring import merged_scoring, scoring_words
from mpt.report.tables.columns import Records
from mpt.report.tables.grid import Grid, latex, markdown
from mpt.report.tables.records import csv_text
from mpt.report.views import arg_json
from mpt.stats.scores import Gain
from mpt.study.presets import Preset, PresetRow


def plan_grid(rows: Sequence[PresetRow]) -> Grid:
    """Count what a preset will run; units that several rows share are counted in each of them."""
    header = ("Variant", "sources", "targets", "shots", "methods", "meta-trainings", "cells")
    lines = []
    for row in rows:
        study, choice = row.entries[0].study, row.variant.choose
        sources = str(len(row.setting.sources))
        if choice:
            sources = f"{choice.take} {choice.count} of {sources}"
        shots = [k or "official" for k in (study.source_shots, study.target_shots)]
        counts = size(row)
        lines.append(
            (
                row.label,
                sources,
                str(len(row.setting.targets)),
                "official" if set(shots) == {"official"} else f"{shots[0]} -> {shots[1]}",
                ", ".join(words.method_name(entry.study.method) for entry in row.entries),
                str(counts.meta_trainings),
                str(counts.cells),
            )
        )
    return Grid(header, tuple(lines), "lrrllrr")


def pairs_plan(preset: Preset) -> Grid:
    """Count what a preset of pairs will run."""
    final = preset.base.final
    tasks = {task for pairs in preset.pairs.values() for pair in pairs for task in pair}
    counts = (len(tasks), len(final.seeds), len(final.lrs))
    row = (*map(str, counts), str(counts[0] * counts[1] * counts[2]))
    return Grid(("Tasks", "seeds", "rates", "cells of plain prompt tuning"), (row,), "rrrr")


def answer_grid(rows: Sequence[PresetRow], gains: Sequence[Gain]) -> Grid:
    """Return ARG with its 95 % interval over tasks and seeds, and the paper's value beside it.

    The paper's value is left out where the gym lacks tasks of the setting. A row is marked if one
    of its intervals is wholly above zero.
    """
    ran = [words.method_name(method) for method in dict.fromkeys(gain.method for gain in gains)]
    papers = {row.label: _paper(row) for row in rows}
    printed = list(dict.fromkeys(name for paper in papers.values() for name in paper))
    columns = [*ran, *(name for name in printed if name not in ran)]
    header = ["Variant"]
    for name in columns:
        header += [name] if name in ran else []
        header += [f"{name}, paper"] if name in printed else []
    lines = []
    by_name = {(gain.setting, words.method_name(gain.method)): gain for gain in gains}
    for row in rows:
        line = [row.label]
        for name in columns:
            gain = by_name.get((row.label, name))
            line += [_cell(gain)] if name in ran else []
            line += [_value(papers[row.label].get(name))] if name in printed else []
        lines.append(tuple(line))
    above = {gain.setting for gain in gains if gain.interval.low > 0}
    marked = frozenset(at for at, row in enumerate(rows) if row.label in above)
    return Grid(tuple(header), tuple(lines), "l" + "r" * (len(header) - 1), marked)


def answer_json(preset: Preset, rows: Sequence[PresetRow], findings: Findings) -> str:
    """Format every gain as ``arg_json`` does, with variants as settings, and the paper's values."""
    papers = {row.label: _paper(row) for row in rows}
    return arg_json(
        findings.gains,
        preset=preset.name,
        title=preset.title,
        paper=papers,
        scoring=findings.scoring,
    )


def answer_findings(
    preset: Preset, rows: Sequence[PresetRow], promotions: Sequence[Promotion], command: str
) -> Findings:
    """Combine the findings of a preset's campaigns into those of one report."""
    parts = [promotion_findings(promotion, (), command) for promotion in promotions]
    first = parts[0]
    backbones = list(dict.fromkeys(part.backbone for part in parts))
    lacking = [row.label for row in rows if row.variant.paper and not row.whole]
    cautions = [line for part in parts for line in part.cautions]
    scoring = merged_scoring(part.scoring for part in parts)
    shared = {"rows": ", ".join(row.label for row in rows), "scoring": scoring_words(scoring)}
    if lacking:
        cautions.append(
            f"the gym lacks tasks of the paper's setting in {', '.join(lacking)}; the paper's "
            "value is not shown there"
        )
    return replace(
        first,
        title=preset.title,
        study=preset.name,
        backbone=", ".join(backbones),
        trials=(),
        winner=None,
        gains=_in_order(rows, promotions),
        scores=tuple(score for part in parts for score in part.scores),
        scoring=scoring,
        units=tuple(unit for part in parts for unit in part.units),
        curves=tuple(curve for part in parts for curve in part.curves),
        config=shared if len(parts) > 1 else first.config,
        cautions=tuple(dict.fromkeys(cautions)),
        notes=tuple(_papers(rows)),
    )


def pairs_grid(pairs: Sequence[Pair]) -> Grid:
    """Return pairs of tasks by group, each group's mean below its pairs."""
    lines: list[tuple[str, ...]] = []
    means = []
    for group in dict.fromkeys(pair.group for pair in pairs):
        of_group = [pair for pair in pairs if pair.group == group]
        lines += [(group, *pair.tasks, _similar(pair.value)) for pair in of_group]
        values = [pair.value for pair in of_group if pair.value is not None]
        means.append(len(lines))
        lines.append((group, "mean", "", _similar(sum(values) / len(values) if values else None)))
    header = ("Group", "task", "and", "similarity")
    return Grid(header, tuple(lines), "lllr", frozenset(means), grouped=True)


def pairs_json(preset: Preset, pairs: Sequence[Pair]) -> str:
    """Format the pairs as JSON."""
    rows = [{"group": p.group, "tasks": list(p.tasks), "similarity": p.value} for p in pairs]
    return arg_json([], preset=preset.name, title=preset.title, pairs=rows)


def write_answer(findings: Findings, grid: Grid, folder: Path) -> Path:
    """Write the page of a preset, and its table as files beside it; see ``write_report``."""
    page = write_report(findings, folder)
    write_grid(grid, folder, "answer", findings.title)
    return page


def write_grid(grid: Grid, folder: Path, name: str, title: str) -> None:
    """Write a table as Markdown, LaTeX and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(grid) + "\n", encoding="utf-8")
    (folder / f"{name}.tex").write_text(latex(grid, title), encoding="utf-8")
    (folder / f"{name}.csv").write_text(csv_text(Records(grid.header, grid.rows)), encoding="utf-8")


def _in_order(rows: Sequence[PresetRow], promotions: Sequence[Promotion]) -> tuple[Gain, ...]:
    place = {row.label: at for at, row in enumerate(rows)}
    all_gains = [gain for promotion in promotions for gain in promotion.gains]
    return tuple(sorted(all_gains, key=lambda gain: place[gain.setting]))


def _paper(row: PresetRow) -> Mapping[str, float]:
    """Return the paper's values for a row by method name; nothing if tasks are missing."""
    if not row.whole:
        return {}
    return {words.method_name(name): value for name, value in row.variant.paper.items()}


def _papers(rows: Sequence[PresetRow]) -> list[str]:
    """Return the paper's values as sentences, for a page whose tables have no column for them."""
    return [
        f"{row.label}: the paper prints "
        + ", ".join(f"{words.percent(value)} for {name}" for name, value in _paper(row).items())
        for row in rows
        if _paper(row)
    ]


def _cell(gain: Gain | None) -> str:
    if gain is None:
        return words.CANNOT_SAY
    return f"{words.percent(gain.arg)} {words.interval(gain.interval)}"


def _value(value: float | None) -> str:
    return "" if value is None else words.percent(value)


def _similar(value: float | None) -> str:
    return words.CANNOT_SAY if value is None else f"{value:.3f}"
