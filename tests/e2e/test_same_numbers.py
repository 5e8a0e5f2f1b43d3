"""The same command gives the same bits on the same machine, whatever runs beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from stage import PATIENCE, Stage, kill
from terminal import STORES, study_file
from tiers import few_in_ci

from mpt.store.artefacts import prompt_path

pytestmark = pytest.mark.slow

SEVERAL = {
    # rows of one run fall to two threads, and packs are cut unevenly
    "outer": {"steps": 6, "episodes": 3, "batch": 7},
    "tuning": {"steps": 6, "batch": 7, "num_evals": 2},
    "trials": 4,
    "pack": 3,
    "cells_per_pack": 3,
}


@contextmanager
def busy():
    """Work on every core that this process may use."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def swept(stage: Stage, threads: str, repository: Path) -> str:
    """Run the sweep to its end on so many threads, in a process that starts with them; what it
    said."""
    kept = {name: value for name, value in os.environ.items() if name not in STORES}
    # a waiting thread that spins takes the core from the one that it waits for
    kept |= {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(
        [sys.executable, repository / "cli.py", "sweep", "--study", stage.study],
        env={**kept, "MPT_HOME": str(stage.home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def bits(stage: Stage) -> dict[str, tuple]:
    """State, result without what names the machine's room, and prompt bytes of every unit."""
    found = {}
    for (digest, _), (_, state, result, artefact) in stage.rows().items():
        kept = json.loads(result)
        del kept["plan"]
        prompt = (stage.home / prompt_path(digest)).read_bytes() if artefact else b""
        found[digest] = state, kept, prompt
    return found


@pytest.mark.parametrize("threads", few_in_ci(["1", "2"], "2"))
def test_a_sweep_beside_other_work_is_the_sweep_alone(repository, tmp_path, threads):
    study = study_file(tmp_path / "study.yaml", SEVERAL)
    alone = Stage(study, tmp_path / "alone")
    beside = Stage(study, tmp_path / "beside")
    swept(alone, threads, repository)
    with busy():
        swept(beside, threads, repository)
    assert bits(alone) == bits(beside)
    assert [arg for _, arg, _ in alone.trials()] == [arg for _, arg, _ in beside.trials()]
    made = [result["numerics"] for _, result, _ in bits(alone).values()]
    assert {one["threads"] for one in made} == {int(threads)}
    assert {one["pack"] for one in made} <= {1, 2, 3}


@pytest.mark.nightly
def test_a_study_that_goes_on_with_other_threads_is_warned_of_once(repository, tmp_path):
    study = study_file(tmp_path / "study.yaml", {**SEVERAL, "trials": 1})
    stage = Stage(study, tmp_path / "home")
    assert "in two ways" not in swept(stage, "1", repository)
    longer = Stage(study_file(study, {**SEVERAL, "trials": 3}), stage.home)
    said = swept(longer, "2", repository)
    assert said.count("computed in two ways (threads 1 and 2)") == 1
    assert "OMP_NUM_THREADS=1" in said


def test_a_killed_sweep_ends_in_the_bits_of_one_that_was_not(tmp_path):
    study = study_file(tmp_path / "study.yaml", SEVERAL)
    whole = Stage(study, tmp_path / "whole")
    killed = Stage(study, tmp_path / "killed")
    whole.finish()
    for rows in (2, 9):
        process = killed.start()
        killed.wait_for(rows, process)
        kill(process)
    killed.finish()
    assert bits(whole) == bits(killed)
