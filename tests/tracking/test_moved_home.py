"""A home that is moved to another folder: its files are found again, after `mpt doctor --fix`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from terminal import contents, mpt, world

from mpt.store.home import Home
from mpt.tracking.mlflow_tracker import MlflowTracker
from mpt.tracking.moved_home import follow_move, former_places


@pytest.fixture
def moved(tmp_path):
    """The old and the new folder of a home with a run that has a file, and the run's id."""
    old, new = tmp_path / "old", tmp_path / "new"
    home = Home.find({"MPT_HOME": str(old)}).open()
    said: list[str] = []
    with MlflowTracker(home.tracking_uri, home.experiment, home, warn=said.append) as tracker:
        run = tracker.open_study("s", params={}, tags={})
        tracker.text(run, "note.txt", "here")
        tracker.close_run(run, "finished", {})
        assert tracker.flush(600) == 0
    assert said == []
    shutil.move(old, new)
    return old, new


def read(folder, into) -> str:
    """The run's file, as MLflow's client finds it."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "mpt"]
    (run,) = client.search_runs([experiment.experiment_id])
    return Path(client.download_artifacts(run.info.run_id, "note.txt", str(into))).read_text()


def paths(*more, home) -> dict:
    words = ("--gym", world().gym, "--backbone", world().backbone)
    said = mpt("doctor", *words, "--json", *more, home=home)
    return {one["name"]: one for one in json.loads(said.out)}.get("artifact paths", {})


def test_doctor_finds_the_old_paths_and_fix_corrects_them(moved, tmp_path):
    from mlflow.exceptions import MlflowException

    old, new = moved
    before = contents(new)
    warned = paths(home=new)
    assert warned["state"] == "warn"
    assert (old / "artifacts").as_uri() in warned["what"]
    assert warned["fix"] == "run `mpt doctor --fix`"
    assert contents(new) == before
    with pytest.raises(MlflowException, match="Failed to download"):
        read(new, tmp_path)
    assert paths("--fix", home=new) == {}
    assert read(new, tmp_path) == "here"
    assert paths(home=new) == {}


def test_a_home_in_its_place_is_left_alone(moved):
    _, new = moved
    uri = f"sqlite:///{new / 'mlflow.db'}"
    follow_move(uri, new / "artifacts")
    before = contents(new)
    assert former_places(uri, new / "artifacts") == frozenset()
    follow_move(uri, new / "artifacts")
    assert contents(new) == before


def test_a_database_that_is_not_the_home_s_own_is_left_alone(moved, tmp_path):
    _, new = moved
    uri = f"sqlite:///{new / 'mlflow.db'}"
    before = contents(new)
    assert former_places(uri, tmp_path / "elsewhere" / "artifacts") == frozenset()
    follow_move(uri, tmp_path / "elsewhere" / "artifacts")
    assert contents(new) == before
    assert former_places("http://127.0.0.1:9", new / "artifacts") == frozenset()
