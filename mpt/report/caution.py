"""Warnings of a report: what makes its gains less certain, derived from the findings."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from mpt.report.findings import Findings
from mpt.stats.scores import best_dev

FEW_SEEDS = 3
FEW_TASKS = 4
LOW_BASELINE = 0.05
"""Below this mean score, a few more correct answers are a large relative gain."""


def warnings(findings: Findings) -> tuple[str, ...]:
    """Return what a reader should know before relying on the numbers, a sentence each.

    Covers missing cells, few tasks or seeds, low baselines, the winner's curse, and the cautions
    that the findings carry themselves.
    """
    return (*_small_print(findings), *findings.cautions)


def _small_print(findings: Findings) -> Iterator[str]:
    gain_warnings = dict.fromkeys(line for gain in findings.gains for line in gain.warnings)
    yield from gain_warnings
    yield from _few(findings)
    yield from _low_baselines(findings)
    state_by_digest = {unit.digest: unit.state for unit in findings.lost}
    if state_by_digest:
        units = _count(len({unit.digest for unit in findings.units}), "unit")
        states = " or ".join(sorted({*state_by_digest.values()}))
        yield (
            f"{len(state_by_digest)} of {units} of work {states} and gave no result; "
            "the report lists them"
        )
    num_complete = sum(trial.arg is not None for trial in findings.trials)
    if num_complete > 1 and not findings.retested:
        yield (
            f"the winner's validation ARG is the best of {num_complete} trials and therefore "
            "optimistic (winner's curse); the target tasks took no part in the search"
        )


def _few(findings: Findings) -> Iterator[str]:
    for setting in findings.settings:
        gains = [gain for gain in findings.gains if gain.setting == setting]
        tasks = min(len(gain.per_task) for gain in gains)
        seeds = min(len(gain.seeds) for gain in gains)
        if tasks < FEW_TASKS:
            yield f"{setting}: {_count(tasks, 'target')}, too few to generalise to similar tasks"
        if seeds < FEW_SEEDS:
            yield f"{setting}: {_count(seeds, 'seed')}, too few to estimate the noise"


def _low_baselines(findings: Findings) -> Iterator[str]:
    baselines = {gain.setting: gain for gain in findings.gains}
    by_cell: dict[tuple[str, str], list[float]] = {}
    for score in best_dev(findings.scores):
        gain = baselines.get(score.setting)
        if gain is not None and score.method == gain.baseline:
            by_cell.setdefault((score.setting, score.task), []).append(score.test)
    low = {task: fmean(tests) for (_, task), tests in by_cell.items() if fmean(tests) > 0}
    named = [f"{task} ({mean:.3f})" for task, mean in low.items() if mean < LOW_BASELINE]
    if named:
        names = findings.names
        name = " or ".join(dict.fromkeys(names[gain.baseline] for gain in findings.gains))
        yield (
            f"{name} scores under {LOW_BASELINE} on {', '.join(named)}; a small "
            "difference in score is a large relative gain there"
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
