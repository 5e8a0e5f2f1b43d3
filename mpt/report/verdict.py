"""The first sentence of a report: what was found, no stronger than the intervals allow."""

from __future__ import annotations

from mpt.report import words
from mpt.report.columns import trial_interval
from mpt.report.findings import Findings
from mpt.report.views import best_trial
from mpt.stats.scores import Gain


def verdict(findings: Findings) -> str:
    """In how many settings each method's ARG is above, below or not told from the baseline's."""
    gains, names = findings.gains, findings.names
    if not gains:
        return _searched(findings)
    if len(gains) == 1:
        (gain,) = gains
        method, baseline = names[gain.method], names[gain.baseline]
        return (
            f"{method} gains {words.percent(gain.arg)} % over {baseline} on {gain.setting}, "
            f"95 % interval {words.interval(gain.interval)}: {_told(gain)}."
        )
    above = _tally(findings, [gain for gain in gains if gain.interval.low > 0])
    below = _tally(findings, [gain for gain in gains if gain.interval.high < 0])
    baseline = " or ".join(dict.fromkeys(names[gain.baseline] for gain in gains))
    said = [
        f"{side} {baseline}: {who}" for side, who in (("above", above), ("below", below)) if who
    ]
    rest = "nothing else is told from it" if said else f"no method is told from {baseline}"
    sentence = "; ".join([*said, rest])
    return f"{sentence[0].upper()}{sentence[1:]} (95 % intervals over tasks and seeds)."


def _searched(findings: Findings) -> str:
    """What a search found, where nothing was judged on targets."""
    best = best_trial(findings.trials)
    if best is None:
        return "No setting has an average relative gain."
    done = sum(trial.state == "complete" for trial in findings.trials)
    across = trial_interval(best)
    return (
        f"Best of {done} trials: trial {best.number + 1}, validation ARG "
        f"{words.percent(best.arg)} %, 95 % interval {words.interval(across)}."
    )


def _tally(findings: Findings, found: list[Gain]) -> str:
    """``MTL in 2 of 3 settings, MAML in 1 of 3``."""
    names = findings.names
    counts = {method: sum(gain.method == method for gain in found) for method in findings.methods}
    return ", ".join(
        f"{names[method]} in {count} of "
        f"{_settings(sum(gain.method == method for gain in findings.gains))}"
        for method, count in counts.items()
        if count
    )


def _settings(number: int) -> str:
    return f"{number} setting{'' if number == 1 else 's'}"


def _told(gain: Gain) -> str:
    if not gain.interval.known:
        return "too few tasks to say more"
    if gain.interval.low > 0:
        return "a gain"
    return "a loss" if gain.interval.high < 0 else "not told from zero"
