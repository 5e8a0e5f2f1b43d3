"""Tables of a report, each as rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

from mpt.report import words
from mpt.report.findings import Findings, UnitLine
from mpt.report.grid import Grid
from mpt.report.paper import paper_arg, paper_family
from mpt.report.views import trial_interval
from mpt.stats.scores import best_dev


def arg_grid(findings: Findings) -> Grid:
    """Setting x method: ARG, its intervals, tasks × seeds, and the paper's value where it has one.

    A row is marked where the interval over tasks and seeds is wholly above zero. What could not be
    learned has its row too, below the others.
    """
    family, names = paper_family(findings.backbone), findings.names
    papers = [paper_arg(gain, findings.backbone) for gain in findings.gains]
    header: tuple[str, ...] = (
        "Setting",
        "Method",
        "ARG %",
        "95 % interval",
        "seeds only",
        "tasks × seeds",
    )
    rows: list[tuple[str, ...]] = [
        (
            gain.setting,
            names[gain.method],
            words.percent(gain.arg),
            words.interval(gain.interval),
            words.interval(gain.seed_interval),
            f"{_share(len(gain.per_task), len(gain.tasks))} × {len(gain.seeds)}",
        )
        for gain in findings.gains
    ]
    if any(value is not None for value in papers):
        header = (*header, f"paper, {family}")
        rows = [
            (*row, "" if value is None else words.percent(value))
            for row, value in zip(rows, papers, strict=True)
        ]
    learned = any(unit.kind == "meta-training" for unit in findings.units)
    if learned:
        header = (*header, "digest")
        rows = [
            (*row, findings.learned(gain)) for row, gain in zip(rows, findings.gains, strict=True)
        ]
    for unit in findings.unlearned:
        name = names[unit.method]
        blanks = ("",) * (len(header) - 5)
        rows.append((unit.setting, name, words.CANNOT_SAY, unit.state, *blanks, unit.digest))
    above = frozenset(at for at, gain in enumerate(findings.gains) if gain.interval.low > 0)
    align = "ll" + "r" * (len(header) - 2)
    if learned:
        align = align[:-1] + "l"
    return Grid(header, tuple(rows), align, marked=above, grouped=True)


def score_grid(findings: Findings, setting: str) -> Grid:
    """Targets of a setting: mean test score +- sd over seeds, and each method's relative gain."""
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
    """The sweep's trials; the winner is marked."""
    names = list(dict.fromkeys(name for trial in findings.trials for name in trial.params))
    header = ("Trial", *(name.replace("_", " ") for name in names), "ARG %", "95 % interval")
    rows = [
        (
            str(trial.number + 1),
            *(words.param(trial.params.get(name, "")) for name in names),
            words.percent(trial.arg),
            words.interval(trial_interval(trial)),
            trial.digest,
            f"{trial.state}{': ' if trial.reason else ''}{trial.reason}",
        )
        for trial in findings.trials
    ]
    won = frozenset(at for at, t in enumerate(findings.trials) if t.number == findings.winner)
    align = "r" * len(header) + "ll"
    return Grid((*header, "digest", "state"), tuple(rows), align, marked=won)


def unit_grid(units: Iterable[UnitLine], names: Mapping[str, str]) -> Grid:
    """Units of work and how they ended; ``names`` are those of ``Findings``."""
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


def _share(part: int, whole: int) -> str:
    return str(whole) if part == whole else f"{part} of {whole}"
