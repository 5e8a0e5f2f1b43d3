"""`mpt sweep --until-separated`, and what is printed, logged and promoted afterwards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from terminal import mpt, study_file

import mpt as api
from mpt.compute.stopping import Stopped
from mpt.gym.splits import SEEDS
from mpt.lab import race as racing
from mpt.lab.race import Race, Round, record_race
from mpt.store.ledger import Ledger
from mpt.tracking.tracker import BEST

pytestmark = pytest.mark.slow


def ledger(home: Path) -> Ledger:
    return Ledger(f"sqlite:///{home / 'ledger.db'}")


def cells(home: Path) -> set[tuple[str, int]]:
    """The task and data seed of every cell."""
    with ledger(home) as units:
        return {(unit.config.task, unit.config.data_seed) for unit in units.units("cell")}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_file(tmp_path_factory.mktemp("studies") / "study.yaml")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("raced") / "home"


@pytest.fixture(scope="module")
def raced(home, study):
    said = mpt("sweep", "--study", study, "--until-separated", home=home)
    assert said.code == 0, said.err
    return said


def test_it_races_on_further_seeds_and_says_how_it_ended(raced, home):
    lines = [line for line in raced.err.splitlines() if line.startswith("race: ")]
    assert lines[0].startswith("race: 2 data seeds: trial")
    shown = json.loads(mpt("studies", "show", "small", "--json", home=home).out)
    race = shown["race"]
    assert race["seeds"] == list(SEEDS)[: len(race["seeds"])]
    assert [look["seeds"] for look in race["rounds"]] == [2, 3, 4, 5][: len(lines)]
    text = " ".join(raced.out.split())
    assert (
        "won the race" if race["winner"] is not None else "could not be separated at 95 %"
    ) in text
    assert max(map(len, raced.out.splitlines())) <= 80
    assert cells(home) == {(task, seed) for task in ("trec", "liar") for seed in race["seeds"]}


def test_the_same_command_computes_nothing_and_prints_the_same(raced, home, study):
    again = mpt("sweep", "--study", study, "--until-separated", home=home)
    assert (again.code, again.out) == (0, raced.out)
    assert "nothing to compute" in again.err
    # a sweep without the option knows how the race ended
    assert mpt("sweep", "--study", study, home=home).out == raced.out


def test_mlflow_holds_reliability_race_and_note(raced, home):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mpt")
    runs = client.search_runs([experiment.experiment_id], "tags.`mpt.kind` = 'sweep'")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    shown = json.loads(mpt("studies", "show", "small", "--json", home=home).out)
    value = shown["reliability"]["over_seeds"]["value"]
    assert parent.data.metrics["reliability"] == pytest.approx(value)
    assert "The ranking of these trials would" in parent.data.tags["mlflow.note.content"]
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"trials.csv", "race.csv", "report"}


def test_the_report_says_it(raced, home, tmp_path):
    said = mpt("report", "--study", "small", "--out", tmp_path / "report", home=home)
    assert said.code == 0, said.err
    for page in ("report.html", "report.md"):
        assert "The ranking of these trials would repeat at" in (
            tmp_path / "report" / page
        ).read_text(encoding="utf-8")


def test_a_race_that_was_stopped_is_continued(raced, home, study, tmp_path, monkeypatch):
    other = tmp_path / "home"
    monkeypatch.setenv("MPT_HOME", str(other))
    evaluate, looks = racing._evaluate, []

    def stopped(*args):
        looks.append(args)
        if len(looks) == 3:
            raise Stopped("the budget is spent")
        return evaluate(*args)

    with patch.object(racing, "_evaluate", stopped):
        search = api.sweep(study, until_separated=True, progress=api.Quiet())
    assert search.race is None
    assert len({seed for _, seed in cells(other)}) == 3
    with ledger(other) as units:
        before = {unit.digest: unit.created for unit in units.units()}
    again = api.sweep(study, until_separated=True, progress=api.Quiet())
    assert again.race is not None
    assert again.race.seeds == SEEDS[: len(again.race.seeds)]
    assert cells(other) == cells(home)
    with ledger(other) as units:
        assert before.items() <= {unit.digest: unit.created for unit in units.units()}.items()


def test_the_winner_is_the_best_and_is_promoted_without_a_re_test(raced, home, study, tmp_path):
    trials = json.loads(mpt("studies", "show", "small", "--json", home=home).out)["trials"]
    worst = min(trials, key=lambda trial: trial["arg"])["number"]
    others = {trial["number"]: worst for trial in trials if trial["number"] != worst}
    look = Round(seeds=3, args=dict.fromkeys([worst, *others], 1.0), left=(worst,), dropped=others)
    entrants = {trial["number"]: trial["digest"] for trial in trials}
    with ledger(home) as units:
        record_race(Race(entrants=entrants, seeds=SEEDS[:3], rounds=(look,)), "small", units)
    shown = mpt("sweep", "--study", study, home=home)
    assert f"Trial {worst} won the race on 3 data seeds" in " ".join(shown.out.split())
    assert f"Best: trial {worst}, " in shown.out
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        query = "SELECT r.name FROM tags t JOIN runs r USING (run_uuid) WHERE t.key = ? AND t.value"
        marked = store.execute(f"{query} = 'yes'", (BEST,)).fetchall()
    assert marked == [(f"trial-{worst}",)]
    said = mpt("promote", "best", home=home)
    assert said.code == 0, said.err
    assert f"small: trial {worst} won the race of its trials; no re-test" in said.err
    assert f"small: trial {worst} on 1 setting" in said.out
    again = mpt("report", "--promotion", "small", "--out", tmp_path / "page", home=home)
    assert again.code == 0, again.err
    page = (tmp_path / "page" / "report.md").read_text(encoding="utf-8")
    assert f"small: trial {worst} on 1 setting" in page


def test_two_runs_of_one_search_show_their_rounding(raced, home, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("MPT_HOME", str(home))
    once = api.load_study("small").cells
    again = once.assign(gain=once["gain"] + 0.5)
    parts = api.reliability(pandas.concat([once, again])).components
    assert parts is not None
    # two values 0.5 apart have the variance 0.125
    assert parts.rounding == pytest.approx(0.125)
    with pytest.raises(api.InputError, match="no column 'gain'"):
        api.reliability(once.drop(columns="gain"))


def test_a_home_without_its_ledger_shows_the_trials_alone(raced, home, tmp_path):
    bare = tmp_path / "home"
    bare.mkdir()
    with (
        closing(sqlite3.connect(home / "studies.db")) as source,
        closing(sqlite3.connect(bare / "studies.db")) as copy,
    ):
        source.backup(copy)
    shown = mpt("studies", "show", "small", home=bare)
    assert shown.code == 0
    assert "complete" in shown.out
    assert "The ranking" not in shown.out
