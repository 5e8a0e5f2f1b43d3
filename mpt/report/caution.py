"""What makes a gain less certain than it looks, found in the findings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from mpt.report.findings import Findings
from mpt.stats.scores import best_dev

FEW_SEEDS = 3
FEW_TASKS = 4
LOW_BASELINE = 0.05
"""A mean score under which a gain of a few answers is a large relative gain."""


def warnings(findings: Findings) -> tuple[str, ...]:
    """What a reader should know before believing the numbers, a sentence each.

    Gaps, few tasks or seeds, low baselines, the winner's curse, and the findings' own cautions.
    """
    return (*_small_print(findings), *findings.cautions)


def _small_print(findings: Findings) -> Iterator[str]:
    met = dict.fromkeys(line for gain in findings.gains for line in gain.warnings)
    yield from met
    yield from _few(findings)
    yield from _low_baselines(findings)
    lost = {unit.digest: unit.state for unit in findings.lost}
    if lost:
        units = _count(len({unit.digest for unit in findings.units}), "unit")
        how = " or ".join(sorted({*lost.values()}))
        yield f"{len(lost)} of {units} of work {how} and gave no result; the report lists them"
    done = sum(trial.arg is not None for trial in findings.trials)
    if done > 1 and not findings.retested:
        yield (
            f"the winner's validation ARG is the best of {done} trials and flatters it "
            "(winner's curse); the target tasks were not searched on"
        )


def _few(findings: Findings) -> Iterator[str]:
    for setting in findings.settings:
        gains = [gain for gain in findings.gains if gain.setting == setting]
        tasks = min(len(gain.per_task) for gain in gains)
        seeds = min(len(gain.seeds) for gain in gains)
        if tasks < FEW_TASKS:
            yield f"{setting}: {_count(tasks, 'target')}, too few to speak of others like them"
        if seeds < FEW_SEEDS:
            yield f"{setting}: {_count(seeds, 'seed')}, too few to know the noise"


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
            f"{name} scores under {LOW_BASELINE} on {', '.join(named)}; relative gains there are "
            "large for small reasons"
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
