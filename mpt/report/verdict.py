"""Verdict: the first sentence of a report, no stronger than the intervals allow."""

from __future__ import annotations

from mpt.report import words
from mpt.report.findings import Findings
from mpt.report.tables.columns import trial_interval
from mpt.report.views import best_trial
from mpt.stats.scores import Gain


def verdict(findings: Findings) -> str:
    """Summarise in how many settings each method is above, below or level with the baseline.

    It begins with what is missing, if the evaluation is not complete.
    """
    if not findings.gains:
        return _searched(findings)
    unfinished, units = (
        len({unit.digest for unit in some}) for some in (findings.unfinished, findings.units)
    )
    missing = f"Incomplete: {unfinished} of {units} units of work have no result yet. "
    return f"{missing if unfinished else ''}{_compared(findings)}"


def _compared(findings: Findings) -> str:
    gains, names = findings.gains, findings.names
    if len(gains) == 1:
        (gain,) = gains
        method, baseline = names[gain.method], names[gain.baseline]
        return (
            f"{method} gains {words.percent(gain.arg)} % over {baseline} on {gain.setting}, "
            f"95 % interval {words.interval(gain.interval)}: {_significance(gain)}."
        )
    above = _tally(findings, [gain for gain in gains if gain.interval.low > 0])
    below = _tally(findings, [gain for gain in gains if gain.interval.high < 0])
    baseline = " or ".join(dict.fromkeys(names[gain.baseline] for gain in gains))
    parts = [
        f"{side} {baseline}: {who}" for side, who in (("above", above), ("below", below)) if who
    ]
    rest = (
        "otherwise no significant difference"
        if parts
        else f"no significant difference from {baseline}"
    )
    sentence = "; ".join([*parts, rest])
    return f"{sentence[0].upper()}{sentence[1:]} (95 % intervals over tasks and seeds)."


def _searched(findings: Findings) -> str:
    """Summarise a search whose trials were not evaluated on target tasks."""
    chosen = (trial for trial in findings.trials if trial.number == findings.winner)
    best = next(chosen, best_trial(findings.trials))
    if best is None:
        return "No setting has an average relative gain."
    num_complete = sum(trial.state == "complete" for trial in findings.trials)
    best_interval = trial_interval(best)
    return (
        f"Best of {num_complete} trials: trial {best.number}, validation ARG "
        f"{words.percent(best.arg)} %, 95 % interval {words.interval(best_interval)}."
    )


def _tally(findings: Findings, selected: list[Gain]) -> str:
    """Format counts of settings by method, such as ``MTL in 2 of 3 settings, MAML in 1 of 3``."""
    names = findings.names
    counts = {
        method: sum(gain.method == method for gain in selected) for method in findings.methods
    }
    return ", ".join(
        f"{names[method]} in {count} of "
        f"{_settings(sum(gain.method == method for gain in findings.gains))}"
        for method, count in counts.items()
        if count
    )


def _settings(number: int) -> str:
    return f"{number} setting{'' if number == 1 else 's'}"


def _significance(gain: Gain) -> str:
    if not gain.interval.known:
        return "too few tasks for an interval"
    if gain.interval.low > 0:
        return "a gain"
    return "a loss" if gain.interval.high < 0 else "no significant difference"
