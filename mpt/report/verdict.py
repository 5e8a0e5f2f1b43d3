"""The first sentence of a report: what was found, no stronger than the intervals allow."""

from __future__ import annotations

from mpt.report import words
from mpt.report.findings import Findings
from mpt.scores import Gain


def verdict(findings: Findings) -> str:
    """A sentence for each method: in how many settings its ARG is above or below zero."""
    if not findings.gains:
        return "No setting has an average relative gain."
    return " ".join(
        _sentence([gain for gain in findings.gains if gain.method == method])
        for method in findings.methods
    )


def _sentence(gains: list[Gain]) -> str:
    method, baseline = (words.method_name(n) for n in (gains[0].method, gains[0].baseline))
    if len(gains) == 1:
        (gain,) = gains
        return (
            f"{method} gains {words.percent(gain.arg)} % over {baseline} on {gain.setting}, "
            f"95 % interval {words.interval(gain.interval)}: {_told(gain)}."
        )
    above = sum(gain.interval.low > 0 for gain in gains)
    below = sum(gain.interval.high < 0 for gain in gains)
    untold = len(gains) - above - below
    return (
        f"Of {len(gains)} settings, {method} is above {baseline} in {above}, below in {below} "
        f"and not told from it in {untold} (95 % intervals over tasks and seeds)."
    )


def _told(gain: Gain) -> str:
    if not gain.interval.known:
        return "too few tasks to say more"
    if gain.interval.low > 0:
        return "a gain"
    return "a loss" if gain.interval.high < 0 else "not told from zero"
