"""`--dry-run`: what a command would run and cost, printed; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.terminal.console import out
from mpt.report.tables.grid import Grid, Sheet
from mpt.report.words import clock, method_names

if TYPE_CHECKING:
    from mpt.api.work.estimate import Estimate, Workload

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be run and its cost; write nothing.")
]


def print_estimate(estimate: Estimate, *, json: bool) -> None:
    """Print a command's configuration, matrix of units and expected cost."""
    if json:
        out.json(_json(estimate))
        return
    _print(estimate)


def print_work(planned: Workload) -> None:
    """Print a configuration and the matrix of its units."""
    import yaml

    chosen = planned.study.model_dump(mode="json", exclude_none=True, by_alias=False)
    out.line("Configuration", "bold")
    text = yaml.safe_dump(chosen, sort_keys=False, default_flow_style=None)
    for line in text.split("\n"):
        out.line(line)
    out.sheet(Sheet(_matrix(planned)))
    units, left = len(planned.units), len(planned.left)
    out.line(f"{units} units, {units - left} in the ledger, {left} to compute")
    for line in planned.about:
        out.line(f"  {line}")


def work_json(planned: Workload) -> dict[str, object]:
    """Return a configuration and its units for programs."""
    return {
        "configuration": planned.study.model_dump(mode="json"),
        "rows": _rows(planned),
        "units": len(planned.units),
        "held": len(planned.units) - len(planned.left),
        "left": len(planned.left),
        "about": list(planned.about),
    }


def size(count: float) -> str:
    """Format bytes: ``1.2 GB`` or ``3.4 MB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _print(estimate: Estimate) -> None:
    cost = estimate.cost
    print_work(estimate.work)
    out.line()
    out.line(f"Probe on {cost.device}", "bold")
    for one in cost.timings:
        out.line(
            f"  {one.what}: {one.step:.3f} s an update of {one.runs} runs, {one.each:.2f} s a unit "
            f"x {one.units}"
        )
    out.line(
        f"Expected: {clock(cost.seconds)} ({cost.seconds / 3600:.2f} hours of this device), "
        f"{size(cost.disk)} of prompts and records, {size(cost.memory)} of memory at the peak"
    )


def _matrix(planned: Workload) -> Grid:
    rows = []
    for row in _rows(planned):
        shape = f"{row['tasks']} x {row['seeds']} x {row['rates']}"
        counts = [str(row[key]) for key in ("units", "held", "left")]
        rows.append((str(row["part"]), str(row["method"]), str(row["learned"]), shape, *counts))
    header = ("part", "method", "learned", "tasks x seeds x rates", "units", "held", "left")
    return Grid(header, tuple(rows), "llrrrrr")


def _rows(planned: Workload) -> list[dict[str, object]]:
    """The matrix, a (part, method) a row; units that rows share are counted in each."""
    found, names = [], method_names(row.method for row in planned.rows)
    for row in planned.rows:
        digests = {config.digest for config in row.configs}
        held = len(digests & planned.held)
        found.append(
            {
                "part": row.part,
                "method": names[row.method],
                "learned": row.learned,
                "tasks": len({cell.task for cell in row.cells}),
                "seeds": len({cell.data_seed for cell in row.cells}),
                "rates": len({cell.lr for cell in row.cells}),
                "units": len(digests),
                "held": held,
                "left": len(digests) - held,
            }
        )
    return found


def _json(estimate: Estimate) -> dict[str, object]:
    from dataclasses import asdict

    cost = estimate.cost
    probe = {**asdict(cost), "seconds": cost.seconds}
    return {"schema": 1, **work_json(estimate.work), "probe": probe}
