"""A sweep that is killed: the same command goes on, and ends as if nothing had happened."""

from __future__ import annotations

import random
import re
import signal
import subprocess

import pytest
from stage import PATIENCE, Stage, is_as_undisturbed, kill
from terminal import study_file
from tiers import few_in_ci

pytestmark = pytest.mark.slow

LONGER = {
    "outer": {"steps": 10, "episodes": 2, "batch": 2},
    "tuning": {"steps": 6, "batch": 4, "num_evals": 2},
    "trials": 6,
    "cells_per_pack": 2,
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    stage = Stage(study_file(folder / "study.yaml", LONGER), folder / "home")
    stage.finish()
    return stage


@pytest.fixture
def stage(undisturbed, tmp_path):
    return Stage(undisturbed.study, tmp_path / "home")


@pytest.mark.parametrize("rows", few_in_ci([1, 11, 23, 34], 11))
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


@pytest.mark.parametrize("seed", few_in_ci([1, 2], 1))
def test_killed_again_and_again_at_any_moment(stage, undisturbed, seed):
    draws = random.Random(seed)
    recorded: dict = {}
    for _ in range(4):
        process = stage.start()
        try:
            process.communicate(timeout=draws.uniform(0.2, 4.0))
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
    assert any(line.startswith("SIGINT: the running pack is finished") for line in said)
    assert said[-1] == "stopped; what is recorded is kept: the same command resumes"
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
