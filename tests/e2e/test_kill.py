"""A sweep that is killed: the same command goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from os import environ
from pathlib import Path

import pytest
from terminal import STORES, study_file

pytestmark = pytest.mark.slow

PATIENCE = 300
"""Seconds after which a process that has not done what a test waits for has failed."""

LONGER = {
    "outer": {"steps": 30, "episodes": 2, "batch": 2},
    "tuning": {"steps": 20, "batch": 4, "looks": 2},
    "trials": 6,
    "cells_per_pack": 2,
}


@dataclass(frozen=True)
class Stage:
    """Where sweeps are run and killed."""

    repository: Path
    study: Path
    home: Path

    def start(self) -> subprocess.Popen[str]:
        """`mpt sweep` as a process of its own."""
        kept = {name: value for name, value in environ.items() if name not in STORES}
        return subprocess.Popen(
            [sys.executable, str(self.repository / "cli.py"), "sweep", "--study", str(self.study)],
            env={**kept, "MPT_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> str:
        """Run the sweep to its end; what it said on standard error."""
        process = self.start()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return err

    def rows(self) -> dict[tuple[str, int], tuple]:
        """The ledger's rows by digest and attempt; none where there is no ledger yet."""
        try:
            uri = f"file:{self.home / 'ledger.db'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as ledger:
                found = ledger.execute(
                    "SELECT digest, attempt, created, state, result FROM mpt_units"
                )
                return {(digest, attempt): tuple(rest) for digest, attempt, *rest in found}
        except sqlite3.OperationalError:
            return {}

    def wait_for(self, rows: int, process: subprocess.Popen[str]) -> None:
        """Wait until the ledger holds so many rows."""
        deadline = time.monotonic() + PATIENCE
        while len(self.rows()) < rows:
            assert process.poll() is None, "the sweep ended before it could be disturbed"
            assert time.monotonic() < deadline
            time.sleep(0.005)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


def trials(stage: Stage) -> list[tuple[str, float, dict]]:
    """State, ARG and parameters of every trial, as Optuna's own tables hold them."""
    with closing(sqlite3.connect(stage.home / "studies.db")) as store:
        found = store.execute(
            "SELECT t.state, v.value, p.param_value FROM trials t"
            " LEFT JOIN trial_values v USING (trial_id) LEFT JOIN trial_params p USING (trial_id)"
            " ORDER BY t.number"
        )
        return list(found)


def runs(stage: Stage) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(stage.home / "mlflow.db")) as store:
        return sorted(store.execute("SELECT name, status FROM runs"))


def score(row: tuple) -> list[float]:
    result = json.loads(row[2])
    return [result.get("dev", 0.0), result.get("test", 0.0)]


@pytest.fixture(scope="module")
def undisturbed(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    stage = Stage(repository, study_file(folder / "study.yaml", LONGER), folder / "home")
    stage.finish()
    return stage


@pytest.fixture
def stage(undisturbed, tmp_path):
    return Stage(undisturbed.repository, undisturbed.study, tmp_path / "home")


def is_as_undisturbed(stage: Stage, undisturbed: Stage) -> None:
    found, expected = stage.rows(), undisturbed.rows()
    # attempt 1 of every unit, of the same units, and no others
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row[1] == expected[key][1] == "done"
        assert score(row) == pytest.approx(score(expected[key]), abs=1e-6)
    searched = trials(stage)
    assert [state for state, _, _ in searched] == ["COMPLETE"] * 6
    assert [params for _, _, params in searched] == [p for _, _, p in trials(undisturbed)]
    args = [arg for _, arg, _ in searched]
    assert args == pytest.approx([arg for _, arg, _ in trials(undisturbed)], abs=1e-3)
    names = sorted(["small", *(f"trial-{number}" for number in range(1, 7))])
    assert runs(stage) == [(name, "FINISHED") for name in names]


@pytest.mark.parametrize("rows", [1, 11, 23, 34])
def test_killed_after_so_many_units(stage, undisturbed, rows):
    process = stage.start()
    stage.wait_for(rows, process)
    kill(process)
    recorded = stage.rows()
    assert len(recorded) >= rows
    told = stage.finish()
    assert recorded.items() <= stage.rows().items()
    is_as_undisturbed(stage, undisturbed)
    computed = len(stage.rows()) - len(recorded)
    assert f"{computed} units computed" in told or "nothing to compute" in told


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_any_moment(stage, undisturbed, seed):
    draws = random.Random(seed)
    recorded: dict = {}
    for _ in range(4):
        process = stage.start()
        try:
            process.communicate(timeout=draws.uniform(0.2, 8.0))
        except subprocess.TimeoutExpired:
            kill(process)
        assert recorded.items() <= stage.rows().items()
        recorded = stage.rows()
    stage.finish()
    assert recorded.items() <= stage.rows().items()
    is_as_undisturbed(stage, undisturbed)


def test_the_first_interrupt_finishes_the_pack_and_the_same_command_continues(stage, undisturbed):
    process = stage.start()
    stage.wait_for(9, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "waiting" in out
    said = err.splitlines()
    assert any(line.startswith("SIGINT: the pack under way is finished") for line in said)
    assert said[-1] == "stopped; what is recorded is kept: the same command continues"
    assert re.fullmatch(r"SIGINT: \d of 6 trials are over, \d left", said[-2])
    assert "Traceback" not in err
    recorded = stage.rows()
    stage.finish()
    assert recorded.items() <= stage.rows().items()
    is_as_undisturbed(stage, undisturbed)


def test_a_second_driver_of_a_living_study_is_refused(stage):
    process = stage.start()
    stage.wait_for(1, process)
    # held still, so that it lives for as long as the other one needs to ask
    process.send_signal(signal.SIGSTOP)
    other = stage.start()
    _, err = other.communicate(timeout=PATIENCE)
    assert other.returncode == 2
    assert err.splitlines()[-1].startswith("error: ")
    assert "study:small" in err.splitlines()[-1]
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Best: trial" in out
