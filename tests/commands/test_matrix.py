"""The matrix of a campaign: settings x methods, done, failed and left."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from mpt.config import BackboneConfig, CellConfig, Tuning
from mpt.lab.costs.workload import WorkloadRow
from mpt.lab.matrix import Count, Matrix
from mpt.report.tables.grid import Sheet
from mpt.report.tables.matrix_grid import matrix_grid, matrix_lines
from mpt.report.terminal import print_sheet
from mpt.store.results import MissingResult
from mpt.store.unit import Unit
from mpt.study.study import Study


def cells(start: str) -> list[CellConfig]:
    rows = {"backbone": BackboneConfig(), "weights": "w", "task": "t", "data": "d"}
    return [
        CellConfig(**rows, data_seed=seed, start=start, lr=0.5, tuning=Tuning())
        for seed in (13, 21)
    ]


def ended(config, state="done", seconds=2.0) -> Unit:
    now = datetime.now(UTC)
    return Unit(config.digest, config.kind, config, state, MissingResult(), None, seconds, now)


RUN = Study().run({}, sources=("s",), weights="w", data="d")
PLAIN, OWN = cells("vocabulary"), cells(RUN.digest)
ROWS = [
    WorkloadRow("R->R", "PT", tuple(PLAIN)),
    WorkloadRow("R->R", "reptile", (RUN, *OWN)),
    # the same targets: the baseline's cells are those of R->R
    WorkloadRow("NP->P", "PT", tuple(PLAIN)),
]


def test_units_are_counted_by_row_and_once_in_all():
    matrix = Matrix(ROWS)
    assert matrix.all == Count(0, 0, 5)
    matrix.see([ended(RUN), ended(PLAIN[0])])
    assert [matrix.count(row) for row in ROWS] == [Count(1, 0, 1), Count(1, 0, 2), Count(1, 0, 1)]
    assert matrix.all == Count(2, 0, 3)


def test_cells_of_a_prompt_that_was_not_learned_count_as_failed():
    matrix = Matrix(ROWS)
    matrix.see([ended(RUN, "diverged")])
    assert matrix.count(ROWS[1]) == Count(0, 3, 0)
    assert matrix.all == Count(0, 3, 2)


def test_what_is_left_takes_as_long_as_what_was_seen():
    matrix = Matrix(ROWS)
    assert matrix.seconds_left is None
    matrix.see([ended(RUN, seconds=9.0)])
    assert matrix.seconds_left is None
    matrix.see([ended(PLAIN[0], seconds=2.0), ended(OWN[0], seconds=4.0)])
    assert matrix.seconds_left == 2 * 3.0


def test_lines_and_table_say_the_same():
    matrix = Matrix(ROWS)
    matrix.see([ended(RUN), ended(PLAIN[0]), ended(OWN[0], "diverged")])
    assert list(matrix_lines(matrix)) == [
        "  R->R: PT 1/2, Reptile 1/3 (1 failed)",
        "  NP->P: PT 1/2",
        "  5 units: 2 done, 1 failed, 2 left, about 4.0 s",
    ]
    console = Console(file=StringIO())
    print_sheet(console, Sheet(matrix_grid(matrix)))
    rows = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert ["setting", "PT", "Reptile"] in rows
    assert ["R->R", "1/2", "1/3", "(1", "failed)"] in rows
    assert ["NP->P", "1/2"] in rows
