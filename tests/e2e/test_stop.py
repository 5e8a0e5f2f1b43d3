"""Real signals, a real budget and a real death: what is saved, and that it all ends the same."""

from __future__ import annotations

import signal
import time

import pytest
from stage import PATIENCE, Stage, is_as_undisturbed, kill
from terminal import mpt, study_file

from mpt.engine.checkpoint import Checkpoints

pytestmark = pytest.mark.slow

LONGER = {
    "outer": {"steps": 90, "episodes": 2, "batch": 2},
    "tuning": {"steps": 8, "batch": 4, "num_evals": 2},
    "trials": 2,
    "cells_per_pack": 2,
}
BASELINE = 4
"""Units of plain prompt tuning; when they are recorded the meta-trainings begin."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stop")
    stage = Stage(study_file(folder / "study.yaml", LONGER), folder / "home")
    stage.finish()
    return stage


@pytest.fixture
def stage(undisturbed, tmp_path):
    return Stage(undisturbed.study, tmp_path / "home")


def saved(stage):
    """Updates taken by every meta-training that has a checkpoint."""
    files = Checkpoints(stage.home / "checkpoints")
    found = [files.read(path.stem) for path in files.folder.glob("[!.]*.safetensors")]
    return [one.position for one in found if one]


def wait_until_saved(stage, process):
    deadline = time.monotonic() + PATIENCE
    while len(saved(stage)) < 2:
        assert process.poll() is None, "the sweep ended before it could be disturbed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def nothing_is_searched(stage):
    return {state for state, _, _ in stage.trials()} <= {"WAITING", "COMPLETE"}


def nothing_runs(stage):
    assert nothing_is_searched(stage)
    assert {status for _, status in stage.runs()} <= {"KILLED", "FINISHED"}


def test_signals_save_stop_and_finish_and_the_same_command_continues(stage, undisturbed):
    # a checkpoint when asked for, then two signals in the middle of the meta-trainings
    process = stage.start()
    stage.wait_for(BASELINE, process)
    process.send_signal(signal.SIGUSR1)
    wait_until_saved(stage, process)
    at = max(saved(stage))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, ""), err
    said = err.splitlines()
    assert sum(line.startswith("SIGUSR1: running meta-trainings write") for line in said) == 1
    assert any(line.endswith(" again: stopping at once") for line in said)
    assert said[-1] == "stopped; what is recorded is kept: the same command resumes"
    assert "Traceback" not in err
    assert len(saved(stage)) == 2
    assert min(saved(stage)) >= at
    first = stage.rows()
    assert len(first) == BASELINE
    # what MLflow had not been told within the haste waits in the outbox
    assert nothing_is_searched(stage)

    # one signal, in the validation: the pack of two cells is finished and no other begun
    process = stage.start()
    stage.wait_for(BASELINE + 2, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err.splitlines()[-2] == "SIGTERM: 0 of 2 trials are over, 2 left"
    second = stage.rows()
    assert first.items() <= second.items()
    assert len(second) % 2 == 0
    nothing_runs(stage)

    stage.finish()
    assert second.items() <= stage.rows().items()
    is_as_undisturbed(stage, undisturbed)
    assert saved(stage) == []


def test_a_sweep_in_pieces_of_a_budget_ends_as_in_one(stage, undisturbed):
    recorded, calls, seconds = {}, 0, 1
    while True:
        process = stage.start("sweep", "--study", str(stage.study), "--budget", f"{seconds}s")
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert recorded.items() <= stage.rows().items()
        is_stuck, recorded, calls = stage.rows() == recorded, stage.rows(), calls + 1
        if "Best: trial" in out:
            break
        assert calls < 30
        last = err.splitlines()[-1]
        assert last.startswith(
            f"the budget of {seconds}s is spent: 0 of 2 trials are over, 2 left; resume "
        )
        assert last.endswith(f"sweep --study {stage.study} --budget {seconds}s")
        nothing_runs(stage)
        # a busy machine may need longer for one unit
        seconds *= 1 + is_stuck
    assert calls > 1
    is_as_undisturbed(stage, undisturbed)


def test_what_a_killed_driver_left_is_reaped_and_the_same_command_continues(stage, undisturbed):
    process = stage.start()
    stage.wait_for(BASELINE, process)
    process.send_signal(signal.SIGUSR1)
    wait_until_saved(stage, process)
    refused = mpt("studies", "reap", "small", home=stage.home)
    assert refused.code == 2
    assert f"study:small is held by process {process.pid} on " in refused.error
    kill(process)
    assert {state for state, _, _ in stage.trials()} == {"RUNNING"}
    reaped = mpt("studies", "reap", "small", home=stage.home)
    assert reaped.out == "small: trial 0, trial 1: waits for the next `mpt sweep`\n"
    nothing_runs(stage)
    stage.finish()
    is_as_undisturbed(stage, undisturbed)


def test_a_promotion_that_is_stopped_is_continued(undisturbed):
    stage = undisturbed
    process = stage.start("promote")
    stage.wait_for(len(stage.rows()) + 1, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, ""), err
    said = err.splitlines()
    assert "runs are left" in said[-2]
    assert said[-1] == "stopped; what is recorded is kept: the same command resumes"
    before = stage.rows()
    process = stage.start("promote", "--budget", "1h")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Champion: models:/mpt-small@champion" in out
    assert before.items() <= stage.rows().items()
