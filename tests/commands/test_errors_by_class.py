"""A trial that fails, diverges or is left: seen in every store, and tried again when asked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
import torch
from terminal import mpt, study_file

from mpt.compute.worker import Worker
from mpt.search.search import Search
from mpt.store.home import Home
from mpt.store.lease import Holder
from mpt.store.ledger import Ledger
from mpt.study.study_file import read_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_file(tmp_path_factory.mktemp("studies") / "study.yaml")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def optuna_of(home):
    """Per trial its state and its attributes, as Optuna's own tables hold them."""
    with closing(sqlite3.connect(home / "studies.db")) as store:
        states = store.execute("SELECT trial_id, number, state FROM trials ORDER BY number")
        found = {trial: (number, state, {}) for trial, number, state in states}
        for trial, key, value in store.execute(
            "SELECT trial_id, key, value_json FROM trial_user_attributes"
        ):
            found[trial][2][key] = json.loads(value)
        return [(state, attrs) for _, state, attrs in found.values()]


def mlflow_of(home):
    """Per run its status and its tags."""
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        found = {
            run: (name, status, {})
            for run, name, status in store.execute("SELECT run_uuid, name, status FROM runs")
        }
        for run, key, value in store.execute("SELECT run_uuid, key, value FROM tags"):
            if key.startswith("mpt."):
                found[run][2][key.removeprefix("mpt.")] = value
        return {name: (status, tags) for name, status, tags in found.values()}


def states(home):
    return [state for state, _ in optuna_of(home)]


def failing(monkeypatch, number, error):
    """The meta-training of the ``number``-th configuration that is met fails."""
    learn, met = Worker.learn, []

    def faulty(worker, configs, on_step):
        met.extend(c.digest for c in configs if c.digest not in met)
        if met[number - 1 : number] and met[number - 1] in {c.digest for c in configs}:
            raise error
        return learn(worker, configs, on_step)

    monkeypatch.setattr(Worker, "learn", faulty)


def test_a_trial_that_fails_is_seen_everywhere_and_tried_again(home, study, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, 2, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"))
        said = mpt("sweep", "--study", study, home=home)
    assert said.code == 0
    assert "warning: 1 trials failed; `mpt studies retry small` tries again" in said.err
    assert states(home) == ["COMPLETE", "FAIL", "COMPLETE"]
    attrs = optuna_of(home)[1][1]
    assert attrs["error"] == "out_of_memory"
    assert "Tried to allocate 9 GiB" in attrs["reason"]
    status, tags = mlflow_of(home)["trial-1"]
    assert (status, tags["state"], tags["error"]) == ("FAILED", "failed", "out_of_memory")
    assert "Tried to allocate 9 GiB" in tags["reason"]
    assert mlflow_of(home)["small"][0] == "FINISHED"
    (shown,) = [t for t in json.loads(said_json(home))["trials"] if t["state"] == "failed"]
    assert (shown["number"], shown["error"]) == (1, "out_of_memory")
    assert "(out_of_memory)" in mpt("studies", "show", "small", home=home).out

    again = mpt("studies", "retry", "small", "--json", home=home)
    assert json.loads(again.out) == {"study": "small", "retried": [{"trial": 1, "again": 3}]}
    assert "no trial failed" in mpt("studies", "retry", "small", home=home).out
    said = mpt("sweep", "--study", study, home=home)
    assert said.code == 0
    assert "5 units computed" in said.err
    assert states(home) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    trials = json.loads(said_json(home))["trials"]
    assert trials[3]["params"] == trials[1]["params"]
    assert trials[3]["digest"] == trials[1]["digest"]
    assert mlflow_of(home)["trial-3"][0] == "FINISHED"


def said_json(home):
    return mpt("studies", "show", "small", "--json", home=home).out


WILD = {
    "outer": {"steps": 3, "episodes": 2, "batch": 2, "optimiser": "sgd"},
    "space": {"outer_lr": [1e-3, 1e300]},
    "sampler": "grid",
    "trials": 2,
    "pack": 1,
}


def test_a_trial_that_diverges_is_pruned_with_its_step_in_every_store(home, tmp_path):
    said = mpt("sweep", "--study", study_file(tmp_path / "s.yaml", WILD), home=home)
    assert said.code == 0
    assert sorted(states(home)) == ["COMPLETE", "PRUNED"]
    (attrs,) = [attrs for state, attrs in optuna_of(home) if state == "PRUNED"]
    assert attrs["error"] == "diverged"
    assert attrs["step"] in (1, 2, 3)
    assert f"diverged at step {attrs['step']}" in attrs["reason"]
    (lost,) = [(status, tags) for status, tags in mlflow_of(home).values() if tags.get("error")]
    assert lost[0] == "KILLED"
    assert lost[1]["error_step"] == str(attrs["step"])
    assert lost[1]["state"] == "diverged"


def test_a_trial_that_diverges_stops_the_study_where_the_table_says_so(home, tmp_path):
    wild = study_file(tmp_path / "s.yaml", WILD | {"errors": {"diverged": "stop"}})
    codes = []
    while len(codes) < 3 and codes[-1:] != [0]:
        said = mpt("sweep", "--study", wild, home=home)
        codes.append(said.code)
        if said.code:
            assert "diverged at step" in said.err
            assert "the study file says 'errors.diverged: stop'" in said.err
            status, tags = mlflow_of(home)["small"]
            assert (status, tags["error"]) == ("FAILED", "diverged")
    assert codes == [1, 0]
    assert sorted(states(home)) == ["COMPLETE", "PRUNED"]
    assert mlflow_of(home)["small"][0] == "FINISHED"
    assert "error" not in mlflow_of(home)["small"][1]

    # computed again, as if its result had never been recorded; it diverges as before
    again = mpt("studies", "retry", "small", "--diverged", home=home)
    assert again.out.endswith("is tried again as trial 2 by the next `mpt sweep`\n")
    said = mpt("sweep", "--study", wild, home=home)
    assert said.code == 1
    assert sorted(states(home)) == ["COMPLETE", "PRUNED", "PRUNED"]


def test_a_code_error_stops_and_the_same_command_goes_on(home, study, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, 1, ZeroDivisionError("no rows"))
        with pytest.raises(ZeroDivisionError):
            mpt("sweep", "--study", study, home=home)
    assert set(states(home)) == {"WAITING"}
    for _, attrs in optuna_of(home):
        assert (attrs["error"], attrs["reason"]) == ("code", "ZeroDivisionError: no rows")
    assert {status for status, _ in mlflow_of(home).values()} <= {"FAILED", "KILLED"}
    assert mlflow_of(home)["small"][1]["error"] == "code"
    assert "ZeroDivisionError: no rows (code)" in mpt("studies", "show", "small", home=home).out
    said = mpt("sweep", "--study", study, home=home)
    assert said.code == 0
    assert states(home) == ["COMPLETE"] * 3
    assert {status for status, _ in mlflow_of(home).values()} == {"FINISHED"}
    assert not any("error" in tags for _, tags in mlflow_of(home).values())
    assert not any(trial["reason"] for trial in json.loads(said_json(home))["trials"])


def abandoned(study, home, seconds=0.0):
    """A driver's trials, as it leaves them when it dies before any of them is told."""
    where = Home.find({"MPT_HOME": str(home)}).open()
    chosen = read_study(study, {})
    from mpt.gym.source import open_gym
    from mpt.lab.plan import plan

    definition = plan(chosen, Worker(open_gym(chosen.gym), chosen.backbone, where, "cpu"))
    search = Search.begin(chosen, definition.definition, where)
    search.ask(chosen)
    ledger = Ledger(where.ledger_url)
    return ledger, ledger.lease("study:small", Holder("elsewhere", 4711), seconds=seconds or 1e-3)


def test_what_a_dead_driver_left_is_handed_back_without_a_new_trial(home, study):
    ledger, _ = abandoned(study, home)
    ledger.close()
    before = len(states(home))
    assert set(states(home)) == {"RUNNING"}
    reaped = mpt("studies", "reap", home=home)
    assert reaped.code == 0
    assert reaped.out.startswith("small: trial 0, trial 1")
    assert reaped.out.endswith(": waits for the next `mpt sweep`\n")
    assert states(home) == ["WAITING"] * before
    assert {status for status, _ in mlflow_of(home).values()} == {"KILLED"}
    assert mlflow_of(home)["trial-0"][1]["error"] == "killed"
    assert "no trial was left running" in mpt("studies", "reap", "small", home=home).out
    assert mpt("sweep", "--study", study, home=home).code == 0
    assert states(home) == ["COMPLETE"] * 3
    assert {status for status, _ in mlflow_of(home).values()} == {"FINISHED"}


def test_a_living_driver_s_study_is_not_reaped(home, study):
    # it lives as long as it renews what it holds
    ledger, lease = abandoned(study, home, seconds=4.0)
    with lease:
        for words in (["reap", "small"], ["retry", "small"]):
            refused = mpt("studies", *words, home=home)
            assert refused.code == 2
            # whether it lives cannot be seen from here but by waiting
            waits, line = refused.err.splitlines()
            assert waits.startswith("warning: study:small is held by process 4711 on elsewhere")
            assert line.startswith("error: study:small is held by process 4711 on elsewhere since")
    assert set(states(home)) == {"RUNNING"}
    ledger.close()


def test_what_killed_a_driver_fails_where_the_table_says_so(home, tmp_path):
    study = study_file(tmp_path / "s.yaml", {"errors": {"killed": "fail"}, "trials": 2})
    ledger, _ = abandoned(study, home)
    ledger.close()
    assert mpt("sweep", "--study", study, home=home).code == 0
    found = optuna_of(home)
    assert [state for state, _ in found] == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert {attrs["error"] for state, attrs in found if state == "FAIL"} == {"killed"}
    assert mlflow_of(home)["trial-0"][0] == "FAILED"
    assert mlflow_of(home)["small"][0] == "FINISHED"


def test_a_study_that_is_not_there_is_not_reaped(home):
    for words in (["reap", "smal"], ["retry", "smal"]):
        assert mpt("studies", *words, home=home).code == 2
    assert not home.exists()
