"""Tables that compare methods in pairs, their convergence, and the importance of parameters."""

from __future__ import annotations

from mpt.report import words
from mpt.report.findings import Findings
from mpt.report.tables.grid import Grid
from mpt.stats.convergence import Pace
from mpt.stats.intervals import LEVEL


def paired_grid(findings: Findings) -> Grid:
    """Return differences in ARG between methods; rows with a significant difference are marked."""
    versus, names = findings.versus, findings.names
    header = ("Setting", "Difference", "ARG points", "95 % interval", "p", "p, Holm", "seeds only")
    rows = tuple(
        (
            pair.setting,
            f"{names[pair.tasks.first]} − {names[pair.tasks.second]}",
            words.percent(pair.tasks.difference),
            words.interval(pair.tasks.interval),
            words.p_value(pair.tasks.p),
            words.p_value(pair.holm),
            f"{words.interval(pair.seeds.interval)}, p {words.p_value(pair.seeds.p)}",
        )
        for pair in versus
    )
    significant = frozenset(at for at, pair in enumerate(versus) if pair.holm < 1 - LEVEL)
    return Grid(header, rows, "ll" + "r" * 5, marked=significant, grouped=True)


def importance_grid(findings: Findings) -> Grid:
    """Return the searched hyper-parameters and their importance for the trials' ARG, as shares."""
    rows = tuple(
        (name.replace("_", " "), f"{share:.0%}") for name, share in findings.importance.items()
    )
    return Grid(("Hyper-parameter", "importance"), rows, "lr")


def pace_grid(findings: Findings) -> Grid:
    """Return how many cells reached the baseline's best dev score, and how fast."""
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
