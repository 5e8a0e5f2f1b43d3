"""Results of units: typed where a row is read, written back byte for byte, damage told by name."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mpt.store.results import (
    CellResult,
    DamagedResult,
    DivergedResult,
    FailedResult,
    MetaResult,
    Numerics,
    read_result,
)

LEDGER = Path(__file__).resolve().parent.parent / "fixtures" / "home-0.1" / "ledger.sql"
CELL = {
    "dev": 0.5,
    "test": -0.25,
    "best_step": 2,
    "looks": [[1, 0.25], [2, 0.5]],
    "curve": [1.0, 0.5],
}


def written(value: object) -> str:
    """JSON as the ledger writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_what_version_0_1_recorded_is_written_back_byte_for_byte():
    with closing(sqlite3.connect(":memory:")) as ledger:
        ledger.executescript(LEDGER.read_text(encoding="utf-8"))
        rows = ledger.execute("SELECT kind, state, result FROM mpt_units").fetchall()
    kinds = set()
    for kind, state, text in rows:
        result = read_result(kind, state, json.loads(text))
        assert written(result.stored()) == text
        assert result.software.mpt == "0.1.0"
        assert result.numerics.threads == 1
        kinds.add(type(result))
    assert kinds == {MetaResult, CellResult, DivergedResult}


def test_keys_of_other_versions_are_kept():
    record = {**CELL, "later": {"a": [1]}, "software": {"mpt": "0.0.7", "jax": "9"}}
    result = read_result("cell", "done", record)
    assert isinstance(result, CellResult)
    assert (result.dev_evals, result.software.mpt) == (((1, 0.25), (2, 0.5)), "0.0.7")
    assert written(result.stored()) == written(record)


def test_older_records_lack_what_was_not_recorded_then():
    result = read_result("cell", "failed", {"reason": "out of memory"})
    assert result == FailedResult(reason="out of memory")
    assert (result.error, result.step, result.software) == (None, None, None)
    assert written(result.stored()) == '{"reason":"out of memory"}'


FAULTS = {
    "missing": ({"dev": None}, "result.dev is missing, not a score from -1 to 1"),
    "no number": ({"dev": float("nan")}, "result.dev is nan, not a score"),
    "too high": ({"test": 7.0}, "result.test is 7.0, not a score"),
    "a text": ({"test": "0.5"}, "result.test is '0.5', not a score"),
    "true": ({"dev": True}, "result.dev is True, not a score"),
    "no whole step": ({"best_step": 1.0}, "result.best_step is 1.0, not a step"),
    "a step below 0": (
        {"looks": [[-1, 0.5]]},
        "result.looks is .*, not a list of steps",
    ),
    "half an evaluation": ({"looks": [[1]]}, "result.looks is .*, not a list of steps"),
    "infinite loss": ({"curve": [float("inf")]}, "result.curve is .*, not a list of finite"),
    "no list": ({"curve": 3}, "result.curve is 3, not a list of finite losses"),
    "no record": ({"software": 3}, "result.software is 3, not a record of versions"),
    "the first of two": ({"test": 2, "curve": 3}, "result.test is 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_record_says_what_is_wrong_and_is_kept(fault):
    changes, said = FAULTS[fault]
    record = {**CELL, **changes}
    result = read_result("finetune", "done", record)
    assert isinstance(result, DamagedResult)
    assert written(result.stored()) == written(record)
    assert re.match(said, result.fault)


def test_a_long_value_is_cut_in_what_is_said():
    result = read_result("meta", "done", {"curve": "x" * 99})
    assert isinstance(result, DamagedResult)
    assert result.fault == f"result.curve is '{'x' * 36}..., not a list of finite losses"


@pytest.mark.parametrize(
    ("kind", "state", "field"),
    [("meta", "done", "curve"), ("cell", "done", "dev"), ("meta", "diverged", "reason")],
)
def test_a_record_that_holds_nothing_is_damaged(kind, state, field):
    result = read_result(kind, state, {})
    assert isinstance(result, DamagedResult)
    assert result.fault.startswith(f"result.{field} is missing, not ")


def test_packs_of_two_sizes_were_computed_in_the_same_way():
    one = Numerics(device="cpu", threads=2, settings={}, pack=1)
    assert one.ways == Numerics(device="cpu", threads=2, settings={}, pack=4).ways
    assert one.ways != Numerics(device="cpu", threads=1, settings={}, pack=1).ways
