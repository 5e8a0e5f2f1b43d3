"""Tables that compare: methods in pairs, how soon they converge, what a search depended on."""

from __future__ import annotations

from mpt.report import words
from mpt.report.findings import Findings
from mpt.report.grid import Grid
from mpt.stats.convergence import Pace
from mpt.stats.intervals import LEVEL


def paired_grid(findings: Findings) -> Grid:
    """Differences in ARG between methods; rows that can be told apart are marked."""
    found, names = findings.versus, findings.names
    header = ("Setting", "Difference", "ARG points", "95 % interval", "p", "p, Holm", "seeds only")
    rows = tuple(
        (
            one.setting,
            f"{names[one.tasks.first]} − {names[one.tasks.second]}",
            words.percent(one.tasks.difference),
            words.interval(one.tasks.interval),
            words.p_value(one.tasks.p),
            words.p_value(one.holm),
            f"{words.interval(one.seeds.interval)}, p {words.p_value(one.seeds.p)}",
        )
        for one in found
    )
    apart = frozenset(at for at, one in enumerate(found) if one.holm < 1 - LEVEL)
    return Grid(header, rows, "ll" + "r" * 5, marked=apart, grouped=True)


def importance_grid(findings: Findings) -> Grid:
    """Searched hyper-parameters and their share in what the trials' ARG depended on."""
    rows = tuple(
        (name.replace("_", " "), f"{share:.0%}") for name, share in findings.importance.items()
    )
    return Grid(("Hyper-parameter", "importance"), rows, "lr")


def pace_grid(findings: Findings) -> Grid:
    """How many cells reached the baseline's best dev score, and how fast."""
    names = findings.names
    rows = tuple(
        (
            pace.setting,
            names[pace.method],
            f"{pace.reached} of {len(pace.races)}",
            str(pace.sooner),
            str(len(pace.races) - pace.reached),
            _speedup(pace),
        )
        for pace in findings.paces
    )
    header = ("Setting", "Method", "reached", "sooner", "never", "median speed-up")
    return Grid(header, rows, "llrrrr", grouped=True)


def _speedup(pace: Pace) -> str:
    low, high = pace.speedup
    if low == high:
        return f"{low:.2f}×"
    return f"under {high:.2f}×" if low == 0 else f"{low:.2f}× to {high:.2f}×"
