"""`mpt sweep` and `mpt studies`: what is printed, what MLflow holds, what is never repeated."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from terminal import contents, mpt, study_file
from tiers import few_fast

from mpt.methods import METHODS
from mpt.store.home import Home
from mpt.store.ledger import Ledger


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps") / "home"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_file(tmp_path_factory.mktemp("studies") / "study.yaml")


@pytest.fixture(scope="module")
def first(home, study):
    return mpt("sweep", "--study", study, home=home)


def recorded(home: Path) -> list:
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return [(unit.digest, unit.created) for unit in ledger.units()]


def test_a_sweep_prints_its_trials_the_best_one_and_what_to_type_next(first):
    assert first.code == 0
    lines = first.out.splitlines()
    assert lines[0].rstrip() == "Study small"
    assert sum("complete" in line for line in lines) == 3
    (best,) = (line for line in lines if line.startswith("Best: trial "))
    number = best.removeprefix("Best: trial ").partition(",")[0]
    assert any(line.split()[:2] == ["*", number] for line in lines)
    assert "outer_lr" in best
    assert lines[-2].startswith("Next: mpt promote best  #")
    assert lines[-1].startswith("      mpt ui            #")
    assert max(map(len, lines)) <= 80


def test_progress_and_the_sum_of_work_go_to_standard_error(first):
    lines = first.err.splitlines()
    # a stage of more than ten seconds, on a slow machine, has said before how far it was
    stages = [line for line in lines if " steps in " in line]
    assert stages[0].startswith("plain prompt tuning: 16 steps in ")
    assert stages[1].startswith("trial 0-1: fomaml: 6 steps in ")
    assert lines[-1].startswith("19 units computed, 0 found in the ledger, ")


def test_mlflow_holds_a_parent_and_a_child_per_trial(first, home):
    from mlflow import MlflowClient

    assert first.code == 0
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mpt")
    runs = client.search_runs([experiment.experiment_id], "tags.`mpt.study` = 'small'")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run is not parent]
    assert {run.info.run_name for run in children} == {"trial-0", "trial-1", "trial-2"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    listed = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert listed == {"trials.csv", "report"}
    report = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    assert {"report/report.html", "report/trials.csv", "report/figures"} <= report
    for run in children:
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
        assert {"arg", "arg_low", "arg_high", "seconds", "dev/trec"} <= set(run.data.metrics)
        assert run.data.params["method"] == "fomaml"
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files == {"prompt.safetensors", "config.yaml", "cells.csv"}
    cells = client.download_artifacts(children[0].info.run_id, "cells.csv")
    rows = Path(cells).read_text().splitlines()
    # two tasks, two seeds and one rate, tuned from the prompt and from plain vocabulary rows
    assert len(rows) == 1 + 2 * 2 * 2


def test_the_same_command_again_computes_nothing_and_says_so(first, home, study):
    before = recorded(home)
    again = mpt("sweep", "--study", study, home=home)
    assert (again.code, again.out) == (0, first.out)
    (line,) = again.err.splitlines()
    assert line.startswith("nothing to compute: all 4 units were in the ledger")
    assert recorded(home) == before


def test_json_is_all_that_standard_output_holds(first, home, study):
    told = mpt("sweep", "--study", study, "--json", home=home)
    trials = json.loads(told.out)["trials"]
    assert [trial["number"] for trial in trials] == [0, 1, 2]
    assert all(trial["interval"][0] <= trial["arg"] <= trial["interval"][1] for trial in trials)
    shown = json.loads(mpt("studies", "show", "small", "--json", home=home).out)
    assert shown["trials"] == trials


def test_studies_are_listed_and_shown(first, home):
    listed = mpt("studies", "list", home=home)
    assert listed.code == 0
    (row,) = (line.split() for line in listed.out.splitlines() if line.startswith(" small"))
    assert row[1:3] == ["3", "3"]
    shown = mpt("studies", "show", "small", home=home)
    assert shown.out.rstrip() in first.out
    missing = mpt("studies", "show", "smal", home=home)
    assert missing.code == 2
    assert "unknown study 'smal' - did you mean 'small'?" in missing.error
    everything = json.loads(mpt("studies", "list", "--json", home=home).out)
    assert "small" in {each["name"] for each in everything["studies"]}


REFUSED = {
    "another method": (["--method", "mtl"], {}, "method was fomaml, is mtl"),
    "another seed": (["--seed", "5"], {}, "seed was 0, is 5"),
    "another space": (
        [],
        {"space": {"outer_lr": {"low": 0.2, "high": 1.0}}},
        "space.outer_lr.low was 0.1, is 0.2",
    ),
    "other tasks": ([], {"validation": {"tasks": ["trec"], "seeds": [13, 21]}}, "tasks was"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_store_that_holds_another_study_of_this_name_is_left_alone(case, first, home, tmp_path):
    words, changes, line = REFUSED[case]
    path = study_file(tmp_path / "study.yaml", changes)
    before = contents(home)
    refused = mpt("sweep", "--study", path, *words, home=home)
    assert (refused.code, refused.out) == (2, "")
    assert "study 'small' was begun with another definition" in refused.error
    assert line in refused.error
    assert "--name" in refused.error
    assert contents(home) == before


def test_a_larger_total_continues_and_computes_only_what_is_new(home, first, tmp_path):
    other = study_file(tmp_path / "study.yaml", {"name": "longer", "trials": 1, "seed": 7})
    one = mpt("sweep", "--study", other, "--json", home=home)
    before = dict(recorded(home))
    two = mpt("sweep", "--study", other, "--trials", "2", "--json", home=home)
    trials = json.loads(two.out)["trials"]
    assert trials[:1] == json.loads(one.out)["trials"]
    assert len(trials) == 2
    after = dict(recorded(home))
    assert before.items() <= after.items()
    # the second trial: one meta-training and its cells on two tasks and two seeds
    assert len(after) - len(before) == 5
    assert "5 units computed, 4 found in the ledger" in two.err


@pytest.mark.parametrize(
    "method", few_fast([name for name in METHODS if name != "fomaml"], "reptile")
)
def test_every_method_is_swept(method, home, tmp_path):
    path = study_file(tmp_path / "study.yaml", {"method": method, "name": None, "trials": 1})
    said = mpt("sweep", "--study", path, home=home)
    assert said.code == 0, said.err
    assert f"Study gym-{method}" in said.out
    assert f"Study gym-{method}" in mpt("studies", "show", f"gym-{method}", home=home).out


def test_the_hint_names_a_study_that_is_not_the_one_begun_last(home, first, study, tmp_path):
    later = study_file(tmp_path / "later.yaml", {"name": "later", "trials": 1})
    assert "Next: mpt promote best  #" in mpt("sweep", "--study", later, home=home).out
    again = mpt("sweep", "--study", study, home=home)
    assert "Next: mpt promote best --study small  #" in again.out


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_a_warning_and_its_records_are_kept(tmp_path, study):
    home = tmp_path / "home"
    uri = "http://127.0.0.1:9"
    said = mpt("sweep", "--study", study, "--tracking-uri", uri, home=home)
    assert said.code == 0
    assert "Best: trial" in said.out
    assert said.out.splitlines()[-1].split()[0] == uri
    warning, hint = (line for line in said.err.splitlines() if uri in line)
    assert warning.startswith("warning: training continues, and its tracking records are kept in")
    assert f": MLflow at {uri}: " in warning
    assert hint == said.err.splitlines()[-1]
    assert f"`mpt sync --tracking-uri {uri}` sends them" in hint
    still = mpt("sync", "--tracking-uri", uri, home=home)
    assert still.code == 1
    assert "could not be sent; they are kept" in still.err
    sent = mpt("sync", home=home)
    assert sent.code == 0
    assert sent.out.endswith(" records sent, 0 left\n")
    with sqlite3.connect(home / "mlflow.db") as store:
        names = {name for (name,) in store.execute("SELECT name FROM runs WHERE status='FINISHED'")}
    store.close()
    assert names == {"small", "trial-0", "trial-1", "trial-2"}
    assert list(Home.find({"MPT_HOME": str(home)}).outbox.iterdir()) == []
