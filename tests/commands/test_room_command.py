"""`mpt gym room`: measured once, resumed, explained, and refused with a cure."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from random import Random
from statistics import fmean, stdev

import pytest
import synthetic
import yaml
from stage import Stage, kill
from terminal import contents, mpt, study_file, world

import mpt as api
from mpt.lab.room import ROWS, UPDATES
from mpt.store.ledger import Ledger

pytestmark = pytest.mark.slow

CARD = {
    "family": "classification",
    "kind": "classification",
    "metric": "ACC",
    "shots": 4,
    "rows": {"pool": "pool.csv", "test": "test.csv"},
    "input": "{text}",
    "target": "{answer}",
}
TASKS = ("cats", "hills")


def write_task(folder, word: str, rows: int):
    """A custom task of the small world: is a word in a row of words?"""
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(yaml.safe_dump(CARD))
    draws = Random(word)
    for name, count in (("pool", rows), ("test", 24)):
        lines = [synthetic._line(draws, word, at % 2 == 0).split("\t") for at in range(count)]
        rows_of = "".join(f"{text},{answer}" for text, answer in lines)
        (folder / f"{name}.csv").write_text(f"text,answer\n{rows_of}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a gym of two tasks, and a study that reads it."""
    folder = tmp_path_factory.mktemp("room")
    write_task(folder / "gym" / "cats", "cat", 200)
    write_task(folder / "gym" / "hills", "hill", 100)
    changes = {"gym": str(folder / "gym"), "setting": None, "sources": None, "validation": None}
    study_file(folder / "study.yaml", changes)
    return folder


@pytest.fixture(scope="module")
def words(place):
    return ("gym", "room", "--study", place / "study.yaml", "--updates", "8")


@pytest.fixture(scope="module")
def measured(place, words):
    said = mpt(*words, "--out", place / "room.csv", home=place / "home", columns=120)
    assert said.code == 0, said.err
    return said


@pytest.fixture(scope="module")
def found(place, words, measured):
    said = mpt(*words, "--json", home=place / "home")
    assert "nothing to compute: all 12 units were in the ledger" in said.err
    return json.loads(said.out)


def units(home):
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return [unit for unit in ledger.units() if unit.state == "done"]


def test_the_table_has_a_row_for_every_task_and_a_summary(measured, place):
    assert "reading the rows of tasks: 2 steps in" in measured.err
    assert "few-shot tuning: 32 steps" in measured.err
    assert "oracles: 32 steps" in measured.err
    assert "12 units computed, 0 found in the ledger" in measured.err
    assert "Room: an oracle's score minus that of plain few-shot prompt tuning" in measured.out
    for task in TASKS:
        assert any(line.strip().startswith(task) for line in measured.out.splitlines())
    assert "all: oracle >= 0.85 on " in measured.out
    assert f"Table: {place / 'room.csv'}" in measured.out


def test_numbers_are_those_of_the_units(found, place, measured):
    for row in found["tasks"]:
        own = [unit for unit in units(place / "home") if unit.config.task == row["task"]]
        few = [unit for unit in own if unit.config.shots is None]
        tests = [
            max((u for u in few if u.config.data_seed == seed), key=rank).result.test
            for seed in (13, 21)
        ]
        oracle = max((u for u in own if u.config.shots == "all"), key=rank)
        assert row["few_shot"] == pytest.approx(fmean(tests))
        assert row["few_shot_sd"] == pytest.approx(stdev(tests))
        assert row["oracle"] == oracle.result.test
        assert row["oracle_lr"] == oracle.config.lr
        assert row["room"] == pytest.approx(oracle.result.test - fmean(tests))
        assert (row["chance"], row["majority"]) == (0.5, 0.5)
    rows = {row["task"]: (row["rows"], row["dev_rows"]) for row in found["tasks"]}
    assert rows == {"cats": (100, 100), "hills": (50, 50)}
    with (place / "room.csv").open() as file:
        table = {row["task"]: float(row["room"]) for row in csv.DictReader(file)}
    assert table == {row["task"]: row["room"] for row in found["tasks"]}


def rank(unit):
    """How a learning rate is chosen: by dev, of equals the larger."""
    return unit.result.dev, unit.config.lr


def test_an_oracle_is_tuned_longer_on_all_rows_from_the_same_start(place, measured):
    tunings = {
        unit.config.shots: (unit.config.tuning, unit.config.start) for unit in units(place / "home")
    }
    few, oracle = tunings[None], tunings["all"]
    assert few[1] == oracle[1] == "vocabulary"
    assert (few[0].steps, few[0].dev_rows) == (4, None)
    assert (oracle[0].steps, oracle[0].dev_rows, oracle[0].batch) == (8, 256, few[0].batch)


def test_a_notebook_gets_the_same_as_a_frame(place, found, monkeypatch):
    monkeypatch.setenv("MPT_HOME", str(place / "home"))
    ways = {"study": place / "study.yaml", "updates": 8, "progress": api.Quiet()}
    room = api.room(**ways)
    assert list(room.tasks["task"]) == [row["task"] for row in found["tasks"]]
    assert list(room.tasks["room"]) == [row["room"] for row in found["tasks"]]
    assert room.summary[0].startswith("all: oracle")
    assert api.estimate_room(**ways).left == 0


def test_fine_tuning_is_added_when_wanted(place, words, measured, tmp_path):
    study = yaml.safe_load((place / "study.yaml").read_text())
    study["final"]["fine_tuning"] = {"steps": 2, "num_evals": 1, "lrs": [3e-4]}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    more = ("gym", "room", "--study", path, "--updates", "8", "--fine-tuning")
    said = mpt(*more, "--tasks", "cats", home=place / "home", columns=120)
    assert said.code == 0, said.err
    assert "2 units computed, 6 found in the ledger" in said.err
    assert "fine-tuning" in said.out


def test_a_dry_run_lists_the_units_and_writes_nothing(place, words, tmp_path):
    said = mpt(*words, "--dry-run", "--json", home=tmp_path / "home")
    assert said.code == 0, said.err
    planned = json.loads(said.out)
    rows = {row["method"]: (row["tasks"], row["seeds"], row["rates"]) for row in planned["rows"]}
    assert rows == {"PT": (2, 2, 2), "oracle": (2, 1, 2)}
    assert planned["left"] == 12
    assert not (tmp_path / "home").exists()


def test_killed_and_started_again_it_computes_what_is_missing(place, tmp_path):
    stage = Stage(place / "study.yaml", tmp_path / "home")
    words = ("gym", "room", "--study", str(stage.study), "--updates", "60")
    process = stage.start(*words)
    stage.wait_for(4, process)
    kill(process)
    done = len(stage.rows())
    said = mpt(*words, home=stage.home)
    assert said.code == 0, said.err
    if done < 12:
        assert f"{12 - done} units computed, {done} found in the ledger" in said.err
    assert len(stage.rows()) == 12


REFUSED = {
    "no such task": (["--tasks", "cats,hils"], "unknown task 'hils' - did you mean 'hills'?"),
    "rows of a folder": (
        ["--rows", "500"],
        "rows is 500, but only the embedded gym generates rows; leave it out: a task of a folder",
    ),
    "no updates": (["--updates", "0"], "updates is 0; give a whole number above 0"),
    "a rate": (["--rates", "0.5,-1"], "a rate is -1; give numbers above 0, such as 0.5,0.2"),
    "no number": (["--rates", "0.5;0.2"], "--rates is '0.5;0.2'"),
    "no table": (["--out", "room.xlsx"], "give a file that ends in .csv or .md or .tex"),
    "no gym": (["--gym", "minni"], "unknown gym 'minni' - did you mean 'mini'?"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_one_line_and_nothing_is_written(case, place, words, measured):
    more, line = REFUSED[case]
    before = contents(place / "home")
    refused = mpt(*words, *more, home=place / "home")
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.err.splitlines()[-1]
    assert contents(place / "home") == before


def test_split_files_without_all_rows_are_refused_with_the_command_that_makes_them(tmp_path):
    study = study_file(tmp_path / "study.yaml")
    refused = mpt("gym", "room", "--study", study, "--tasks", "trec", home=tmp_path / "home")
    assert refused.code == 2
    assert "holds files for k = 16, not for k = all" in refused.err
    cure = f"`mpt gym build trec --shots all --out {world().gym}`"
    assert cure in refused.err
    assert not (tmp_path / "home").exists()


def test_a_task_with_few_rows_is_left_out_unless_it_is_named(place, tmp_path):
    gym = tmp_path / "gym"
    write_task(gym / "cats", "cat", 200)
    write_task(gym / "dogs", "dog", 12)
    words = ("gym", "room", "--study", place / "study.yaml", "--gym", gym, "--updates", "2")
    said = mpt(*words, "--json", home=tmp_path / "home")
    assert said.code == 0, said.err
    assert [row["task"] for row in json.loads(said.out)["tasks"]] == ["cats"]
    why = "task 'dogs' has 6 training rows in all, and its few-shot training set has 8"
    assert f"warning: left out: {why}" in said.err
    assert why in json.loads(said.out)["left_out"][0]
    refused = mpt(*words, "--tasks", "dogs", home=tmp_path / "never")
    assert refused.code == 2
    assert why in refused.err


def test_the_commands_of_the_page_run(place, measured, repository, tmp_path, monkeypatch):
    page = (repository / "docs" / "room.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    shutil.copytree(place / "gym", tmp_path / "data" / "gym")
    shutil.copytree(place, tmp_path / "sweeps", ignore=lambda *_: ["gym", "home", "room.csv"])
    (tmp_path / "sweeps" / "study.yaml").rename(tmp_path / "sweeps" / "paper.yaml")
    monkeypatch.chdir(tmp_path)
    small = ["--gym", "data/gym", "--study", "sweeps/paper.yaml", "--updates", "8"]
    for line in block.splitlines():
        # the same options once more, or instead of an hour on the embedded gym
        said = mpt(*shlex.split(line.partition("#")[0])[1:], *small, home=tmp_path / "home")
        assert said.code == 0, (line, said.err)
    assert (tmp_path / "room.md").read_text().startswith("| Task | role | oracle | few-shot |")


def test_help_names_the_budget_of_an_oracle(tmp_path):
    said = mpt("gym", "room", "--help", home=tmp_path / "never", columns=120)
    assert f"(default: {UPDATES})" in said.out
    assert f"(default: {ROWS};" in said.out


def test_a_gym_of_one_task_has_room_but_no_setting(tmp_path):
    write_task(tmp_path / "gym" / "cats", "cat", 200)
    changes = {"gym": str(tmp_path / "gym"), "setting": None, "sources": None, "validation": None}
    study = study_file(tmp_path / "study.yaml", changes)
    measured = ("gym", "room", "--study", study, "--updates", "2", "--json")
    said = mpt(*measured, home=tmp_path / "home")
    assert said.code == 0, said.err
    assert [(row["task"], row["role"]) for row in json.loads(said.out)["tasks"]] == [("cats", "")]
    refused = mpt("sweep", "--study", study, home=tmp_path / "home")
    assert refused.code == 2
    assert "beside validation tasks the folder holds cats; add tasks to the folder" in refused.error
