"""`mpt run` and `mpt evaluate`: one meta-training, one prompt, nothing computed twice."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from terminal import contents, mpt, study_file, world

DIGEST = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small study file, and its home."""
    folder = tmp_path_factory.mktemp("run")
    study_file(folder / "study.yaml")
    return folder


@pytest.fixture(scope="module")
def learned(place):
    return mpt("run", "--study", place / "study.yaml", "--outer-lr", "0.2", home=place / "home")


def digest_of(said):
    return said.out.split("Run:")[1].split(",")[0].strip()


def test_digest_loss_and_prompt_are_printed(learned, place):
    assert learned.code == 0, learned.err
    assert len(digest_of(learned)) == DIGEST
    assert "fomaml on 2 source tasks" in learned.out
    assert "in 3 steps" in learned.out
    prompt = learned.out.split("Prompt: ")[1].splitlines()[0]
    assert Path(prompt) == place / "home" / "prompts" / f"{digest_of(learned)}.safetensors"
    assert Path(prompt).is_file()


def test_the_same_run_again_computes_nothing(learned, place):
    again = mpt("run", "--study", place / "study.yaml", "--outer-lr", "0.2", home=place / "home")
    assert again.out == learned.out
    assert "nothing to compute: all 1 units were in the ledger" in again.err


def test_options_make_another_run(learned, place):
    told = mpt(
        *("run", "--study", place / "study.yaml", "--method", "reptile"),
        *("--inner-lr", "0.5", "--inner-steps", "2", "--steps", "2", "--seed", "1", "--json"),
        home=place / "home",
    )
    found = json.loads(told.out)
    assert (found["method"], found["steps"], found["state"]) == ("reptile", 2, "done")
    shown = json.loads(mpt("show", found["digest"], "--json", home=place / "home").out)
    assert shown["config"]["inner"] == {"lr": 0.5, "steps": 2, "batch": 2}
    assert shown["config"]["seed"] == 1


def test_mlflow_has_the_run_with_its_prompt(learned, place):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    query = f"tags.`mpt.digest` = '{digest_of(learned)}'"
    (run,) = client.search_runs(experiments, query)
    assert run.info.run_name == "fomaml on its own sources"
    assert (run.info.status, run.data.tags["mpt.kind"]) == ("FINISHED", "run")
    assert "mlflow.parentRunId" not in run.data.tags
    assert run.data.tags["mpt.attention"] == "sdpa flash (cpu); twice: sdpa math"
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "prompt.safetensors"} <= files


def test_a_run_that_diverges_fails_with_its_step(place):
    wild = mpt("run", "--study", place / "study.yaml", "--outer-lr", "1e38", home=place / "home")
    assert wild.code == 1
    assert "diverged" in wild.err.splitlines()[-1]


@pytest.fixture(scope="module")
def words(learned):
    """What `mpt run` says to type next."""
    return shlex.split(learned.out.split("Next:")[1].split("#")[0])[1:]


@pytest.fixture(scope="module")
def evaluated(words, place):
    return mpt(*words, home=place / "home")


def test_the_prompt_is_evaluated_as_the_next_line_says(evaluated, words, place):
    told = evaluated
    assert told.code == 0, told.err
    assert "superglue-cb" in told.out
    assert "ethos-race" in told.out
    assert "Average relative gain" in told.out
    again = mpt(*words, home=place / "home")
    assert again.out == told.out
    assert "nothing to compute: all 16 units" in again.err


def test_json_holds_the_gain_and_every_seeds_score(learned, place):
    told = mpt(
        *("evaluate", digest_of(learned), "--study", place / "study.yaml"),
        *("--tasks", "ethos-race", "--json"),
        home=place / "home",
    )
    found = json.loads(told.out)
    (gain,) = found["gains"]
    assert (gain["setting"], gain["tasks"]) == ("named tasks", ["ethos-race"])
    rows = {(row["method"], row["seed"]) for row in found["scores"]}
    assert rows == {(method, seed) for method in ("PT", "prompt") for seed in (13, 21)}
    tests = {(row["method"], row["seed"]): row["test"] for row in found["scores"]}
    above = (tests["prompt", 13] + tests["prompt", 21]) / 2
    below = (tests["PT", 13] + tests["PT", 21]) / 2
    assert gain["arg"] == pytest.approx(100 * (above - below) / below)


def test_vocabulary_rows_need_no_ledger(tmp_path):
    study = study_file(tmp_path / "study.yaml")
    words = ("evaluate", "vocabulary", "--study", study, "--tasks", "ethos-race")
    told = mpt(*words, home=tmp_path / "home")
    assert told.code == 0, told.err
    assert "ethos-race" in told.out
    assert "Average" not in told.out
    assert json.loads(mpt(*words, "--json", home=tmp_path / "home").out)["gains"] == []


REFUSED = {
    "an unknown method": (["run", "--method", "reptil"], "did you mean 'reptile'"),
    "a setting": (
        ["evaluate", "vocabulary", "--setting", "Cls->Clz"],
        "did you mean 'Cls->Cls'",
    ),
    "a rate": (["run", "--outer-lr", "-1"], "'outer.lr' is -1.0: input should be greater than 0"),
    "an unknown prompt": (["evaluate", "ffff"], "unknown digest 'ffff'"),
    "an unknown task": (
        ["evaluate", "vocabulary", "--tasks", "ethos-rac"],
        "unknown task 'ethos-rac' - did you mean 'ethos-race'",
    ),
    "a source as a target": (
        ["evaluate", "DIGEST", "--tasks", "glue-mrpc"],
        "has glue-mrpc among its sources and its targets",
    ),
    "a cell": (["evaluate", "CELL"], "has kind 'cell' and state 'done'; give the digest of a"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_one_line_and_nothing_is_written(case, learned, evaluated, place):
    from mpt.store.home import Home
    from mpt.store.ledger import open_ledger

    home = place / "home"
    with open_ledger(Home.find({"MPT_HOME": str(home)})) as ledger:
        cell = next(unit.digest for unit in ledger.units() if unit.kind == "cell")
    words, line = REFUSED[case]
    named = [{"DIGEST": digest_of(learned), "CELL": cell}.get(word, word) for word in words]
    before = contents(home)
    refused = mpt(*named, "--study", place / "study.yaml", home=home)
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(home) == before


def test_a_gym_of_its_own_is_named_in_the_next_line(tmp_path):
    study = study_file(tmp_path / "study.yaml", {"gym": None})
    said = mpt("run", "--study", study, "--gym", world().gym, home=tmp_path / "home")
    assert f"--gym {world().gym}" in said.out
