"""Tables of a report as rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from mpt.report import words
from mpt.report.findings import Findings, UnitLine
from mpt.report.paper import paper_arg, paper_family
from mpt.report.tables.columns import Column, as_grid, gain_columns, trial_columns
from mpt.report.tables.grid import Grid
from mpt.stats.scores import Gain, best_dev


def arg_grid(findings: Findings) -> Grid:
    """Return ARG by setting and method, its intervals, tasks × seeds and the paper's value, if any.

    A row is marked if the interval over tasks and seeds is wholly above zero. Meta-trainings that
    gave no prompt have rows too, below the others.
    """
    names, columns = findings.names, arg_columns(findings)
    above = frozenset(at for at, gain in enumerate(findings.gains) if gain.interval.low > 0)
    grid = as_grid(columns, findings.gains, marked=above, grouped=True)
    blanks = ("",) * (len(grid.header) - 5)
    lost = tuple(
        (unit.setting, names[unit.method], words.CANNOT_SAY, unit.state, *blanks, unit.digest)
        for unit in findings.unlearned
    )
    return replace(grid, rows=(*grid.rows, *lost))


def arg_columns(findings: Findings) -> list[Column[Gain]]:
    """Return the columns of a report's gains, without those that no gain has a value for."""
    printed = {(g.setting, g.method): paper_arg(g, findings.backbone) for g in findings.gains}
    is_learned = any(unit.kind == "meta-training" for unit in findings.units)
    return gain_columns(
        findings.names,
        learned=findings.learned if is_learned else None,
        papers={at: value for at, value in printed.items() if value is not None},
        paper=paper_family(findings.backbone),
    )


def score_grid(findings: Findings, setting: str) -> Grid:
    """Return, by target of a setting, mean test score ± sd over seeds and each method's gain."""
    gains = [gain for gain in findings.gains if gain.setting == setting]
    tests: dict[tuple[str, str], list[float]] = {}
    for score in best_dev(s for s in findings.scores if s.setting == setting):
        tests.setdefault((score.method, score.task), []).append(score.test)
    baseline, names = gains[0].baseline, findings.names
    header = ["Target task", names[baseline]]
    for gain in gains:
        name = names[gain.method]
        header += [name, f"{name} gain %"]
    rows = []
    for task in dict.fromkeys(task for gain in gains for task in gain.tasks):
        row = [task, _spread(tests.get((baseline, task), []))]
        for gain in gains:
            row += [
                _spread(tests.get((gain.method, task), [])),
                words.percent(gain.per_task.get(task)),
            ]
        rows.append(tuple(row))
    return Grid(tuple(header), tuple(rows), "l" + "r" * (len(header) - 1))


def trial_grid(findings: Findings) -> Grid:
    """Return the sweep's trials, with the winner marked."""
    won = frozenset(at for at, t in enumerate(findings.trials) if t.number == findings.winner)
    columns = trial_columns(findings.trials, is_long=True)
    return as_grid(columns, findings.trials, marked=won)


def unit_grid(units: Iterable[UnitLine], names: Mapping[str, str]) -> Grid:
    """Return units of work and their states; ``names`` are those of ``Findings``."""
    header = ("Digest", "kind", "setting", "method", "task", "seed", "lr", "state", "reason")
    rows = [
        (
            unit.digest,
            unit.kind,
            unit.setting,
            names[unit.method],
            unit.task,
            "" if unit.seed is None else str(unit.seed),
            "" if unit.lr is None else words.param(unit.lr),
            unit.state,
            unit.reason,
        )
        for unit in units
    ]
    return Grid(header, tuple(rows), "l" * 5 + "rrll")


def _spread(tests: Sequence[float]) -> str:
    if len(tests) < 2:
        return words.score(tests[0] if tests else None)
    return f"{words.score(fmean(tests))} ± {stdev(tests):.3f}"
