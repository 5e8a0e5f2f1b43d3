"""Tables of a report for programs, unrounded: CSV and parquet."""

from __future__ import annotations

import io
from collections.abc import Mapping

from mpt.files.escaping import csv_table
from mpt.report.findings import Findings
from mpt.report.tables.columns import Records, as_records, gain_columns, trial_columns


def records(findings: Findings) -> Mapping[str, Records]:
    """Return every table of the report, by the name of its files."""
    gains = gain_columns(findings.names, learned=findings.learned)
    return {
        "arg": as_records(gains, findings.gains),
        "gains": _per_task(findings),
        "scores": score_records(findings),
        "trials": as_records(trial_columns(findings.trials), findings.trials),
        "units": _units(findings),
        "paired": _paired(findings),
        "convergence": _races(findings),
    }


def csv_text(table: Records) -> str:
    """Format a table as CSV, numbers unrounded; see ``csv_table``."""
    return csv_table([table.header, *table.rows])


def parquet_bytes(table: Records) -> bytes:
    """Encode a table as a parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    buffer = io.BytesIO()
    parquet.write_table(
        pa.table(dict(zip(table.header, map(pa.array, columns), strict=True))), buffer
    )
    return buffer.getvalue()


def _per_task(findings: Findings) -> Records:
    """Return a row per (setting, method, target), without a gain where it is undefined."""
    rows = tuple(
        (gain.setting, gain.method, task, gain.per_task.get(task))
        for gain in findings.gains
        for task in gain.tasks
    )
    return Records(("setting", "method", "task", "gain"), rows)


def score_records(findings: Findings) -> Records:
    """Return every downstream cell with its digest: a table that ``mpt arg`` reads."""
    header = ("setting", "method", "task", "seed", "meta_seed", "lr", "dev", "test", "digest")
    cells = {
        (unit.setting, unit.method, unit.task, unit.seed, unit.meta_seed, unit.lr): unit.digest
        for unit in findings.units
        if unit.kind == "cell"
    }
    rows = tuple(
        (
            *(s.setting, s.method, s.task, s.seed, s.meta_seed, s.lr, s.dev, s.test),
            cells.get((s.setting, s.method, s.task, s.seed, s.meta_seed, s.lr)),
        )
        for s in findings.scores
    )
    return Records(header, rows)


def _units(findings: Findings) -> Records:
    header = ("digest", "kind", "setting", "method", "task", "seed", "lr", "state", "reason")
    rows = tuple(
        (u.digest, u.kind, u.setting, u.method, u.task, u.seed, u.lr, u.state, u.reason)
        for u in findings.units
    )
    return Records(header, rows)


def _paired(findings: Findings) -> Records:
    """Return a row per pair of methods in a setting: their ARG difference over tasks and seeds."""
    header = ("setting", "first", "second", "difference", "low", "high", "p", "p_holm")
    rows = tuple(
        (
            *(pair.setting, pair.tasks.first, pair.tasks.second, pair.tasks.difference),
            *(pair.tasks.interval.low, pair.tasks.interval.high, pair.tasks.p, pair.holm),
            *(pair.seeds.interval.low, pair.seeds.interval.high, pair.seeds.p),
            *(pair.tasks.tasks, pair.tasks.pairs),
        )
        for pair in findings.versus
    )
    return Records((*header, "seed_low", "seed_high", "seed_p", "tasks", "pairs"), rows)


def _races(findings: Findings) -> Records:
    """Return a row per cell and its steps to the baseline's best dev score, if it got there."""
    header = ("setting", "method", "task", "seed", "goal", "baseline_step", "step", "budget")
    rows = tuple(
        (
            *(pace.setting, pace.method, race.task, race.seed),
            *(race.goal, race.baseline_step, race.step, race.budget),
        )
        for pace in findings.paces
        for race in pace.races
    )
    return Records(header, rows)
