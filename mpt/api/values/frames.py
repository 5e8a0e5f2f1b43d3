"""Records as pandas frames, columns as in the CSV files of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from mpt.report.findings import Findings
from mpt.report.tables.columns import Records, as_records, gain_columns, trial_columns
from mpt.report.tables.records import score_records
from mpt.report.tables.room_table import ranked, room_columns

if TYPE_CHECKING:
    from mpt.search.trial import Trial
    from mpt.stats.gain_table import GainTable
    from mpt.stats.room import TaskRoom
    from mpt.stats.scores import Gain, Score


def arg_frame(findings: Findings) -> pd.DataFrame:
    """Return a (setting, method) a row: ``arg``, its 95 % interval ``low`` to ``high`` over tasks
    and seeds, ``seed_low`` to ``seed_high`` over seeds alone; in percent."""
    return _frame(
        as_records(gain_columns(findings.names, learned=findings.learned), findings.gains)
    )


def gains_frame(gains: Iterable[Gain]) -> pd.DataFrame:
    """Return gains as ``arg_frame`` does, without digests."""
    return arg_frame(Findings(title="", gains=tuple(gains))).drop(columns="digest")


def cells_frame(findings: Findings) -> pd.DataFrame:
    """Return a downstream cell a row: its scores on dev and test, and the digest of its unit."""
    return _frame(score_records(findings))


def scores_frame(scores: Iterable[Score]) -> pd.DataFrame:
    """Return scores as ``cells_frame`` does, without digests."""
    found = Findings(title="", gains=(), scores=tuple(scores))
    return cells_frame(found).drop(columns="digest")


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return a trial a row, by number: parameters, ``arg`` in percent, interval, state."""
    return _frame(as_records(trial_columns(trials), trials))


def rooms_frame(rooms: Sequence[TaskRoom]) -> pd.DataFrame:
    """Return a task a row, most room first: scores of the oracle, few-shot tuning and no skill."""
    columns = room_columns(fine_tuned=any(one.fine_tuned for one in rooms))
    return _frame(as_records(columns, ranked(rooms)))


def gain_frame(table: GainTable) -> pd.DataFrame:
    """Return a cell of a crossed table a row: trial, task, data seed, relative gain in percent."""
    rows = [
        (int(trial), task, seed, float(gain))
        for trial, gains in zip(table.trials, table.gains, strict=True)
        for (task, seed), gain in zip(table.cells, gains, strict=True)
    ]
    return pd.DataFrame(rows, columns=["trial", "task", "seed", "gain"])


def _frame(table: Records) -> pd.DataFrame:
    return pd.DataFrame(list(table.rows), columns=list(table.header))
