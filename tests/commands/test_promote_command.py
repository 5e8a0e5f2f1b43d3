"""`mpt promote`: the ARG table, the report, the champion in MLflow, and nothing computed twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from terminal import contents, mpt, study_file, world

pytestmark = pytest.mark.slow

FINAL = {"settings": ["Cls->Cls", "R->R"], "seeds": [13, 21], "lrs": [0.5, 0.2]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a finished study of two trials."""
    folder = tmp_path_factory.mktemp("promote")
    study = study_file(folder / "study.yaml", {"trials": 2, "final": FINAL})
    said = mpt("sweep", "--study", study, home=folder / "home")
    assert said.code == 0, said.err
    return folder / "home"


@pytest.fixture(scope="module")
def promoted(home):
    return mpt("promote", "best", home=home)


def test_the_arg_of_every_setting_is_printed(promoted, home):
    assert promoted.code == 0, promoted.err
    for setting in ("Cls->Cls", "R->R"):
        (row,) = (line for line in promoted.out.splitlines() if line.startswith(f" {setting} "))
        assert "FoMAML" in row
    assert max(map(len, promoted.out.splitlines()[:8])) <= 80
    assert promoted.out.splitlines()[-1] == "Champion: models:/mpt-small@champion"


def test_the_report_lies_where_the_command_says(promoted):
    (line,) = (line for line in promoted.out.splitlines() if line.startswith("Report: "))
    page = Path(line.split(maxsplit=1)[1])
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    found = {path.name for path in page.parent.rglob("*")}
    assert {"report.md", "arg.csv", "scores.csv", "arg.svg", "arg.png"} <= found


def test_warnings_are_one_line_each(promoted):
    said = [line for line in promoted.err.splitlines() if "too few to estimate the noise" in line]
    assert said == [
        f"warning: {setting}: 2 seeds, too few to estimate the noise"
        for setting in ("Cls->Cls", "R->R")
    ]


def test_runs_last_as_long_as_their_work(promoted, home):
    """From the first meta-training to the last cell, though they are logged when all is done."""
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        rows = store.execute(
            "SELECT r.name, r.start_time, r.end_time, m.value FROM runs r JOIN tags t USING"
            " (run_uuid) LEFT JOIN latest_metrics m ON m.run_uuid = r.run_uuid AND m.key ="
            " 'seconds' WHERE t.key = 'mpt.kind' AND t.value LIKE 'promotion-of-trial-_'"
        ).fetchall()
    (parent,) = [row for row in rows if row[0].startswith("small promotion-of-trial-")]
    children = [row for row in rows if row is not parent]
    assert {name for name, *_ in children} == {"Cls->Cls", "R->R"}
    for _, start, end, seconds in children:
        # seconds are those of the meta-training alone, and its cells follow
        assert end - start > 1000 * seconds
    assert parent[1] == min(start for _, start, *_ in children)
    assert parent[2] == max(end for _, _, end, _ in children)


def test_mlflow_holds_the_promotion_and_its_champion(promoted, home):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    champion = client.get_model_version_by_alias("mpt-small", "champion")
    run = client.get_run(champion.run_id)
    assert run.info.run_name == "Cls->Cls"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert {"arg/Cls to Cls", "arg/R to R"} <= set(parent.data.metrics)
    assert any(
        f.path == "report/report.html" for f in client.list_artifacts(parent.info.run_id, "report")
    )
    assert {run.info.status, parent.info.status} == {"FINISHED"}


def test_a_second_promotion_computes_nothing_and_prints_the_same(promoted, home):
    again = mpt("promote", "best", home=home)
    assert again.code == 0
    assert again.out == promoted.out
    assert "nothing to compute: all " in again.err
    told = json.loads(mpt("promote", "best", "--json", home=home).out)
    assert {gain["setting"] for gain in told["gains"]} == {"Cls->Cls", "R->R"}


def test_settings_may_be_chosen(promoted, home):
    told = mpt("promote", "best", "--settings", "R->R", "--json", home=home)
    assert [gain["setting"] for gain in json.loads(told.out)["gains"]] == ["R->R"]


REFUSED = {
    "no such trial": (["99"], "there is no trial '99'; give 'best' or a number from 0 to 1"),
    "one past the last": (["2"], "there is no trial '2'"),
    "no number": (["worst"], "there is no trial 'worst'"),
    "no such setting": (["--settings", "Nope"], "unknown setting 'Nope'"),
    "a near miss": (["--settings", "Cls->Clz"], "did you mean 'Cls->Cls'"),
    "nothing between commas": (["--settings", "R->R,"], "unknown setting ''"),
    "a setting twice": (["--settings", "R->R,R->R"], "repeated: R->R; name each value once"),
    "no such study": (["--study", "smal"], "unknown study 'smal' - did you mean 'small'?"),
    "no such device": (["--device", "tpu"], "unknown device 'tpu'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_promoted_is_one_line_and_nothing_is_written(case, promoted, home):
    words, line = REFUSED[case]
    before = contents(home)
    refused = mpt("promote", *words, home=home)
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(home) == before


def test_a_target_that_cannot_be_read_is_told_before_anything_is_computed(tmp_path):
    gym = shutil.copytree(world().gym, tmp_path / "gym")
    study = study_file(tmp_path / "study.yaml", {"gym": str(gym), "trials": 1})
    home = tmp_path / "home"
    assert mpt("sweep", "--study", study, home=home).code == 0
    broken = gym / "ethos-race" / "ethos-race_16_21_test.tsv"
    broken.write_text("no tab\n")
    before = contents(home)
    refused = mpt("promote", home=home)
    assert refused.code == 2
    assert f"{broken}:1: no tab" in refused.error
    assert contents(home) == before


@pytest.mark.slow
def test_the_champion_answers_in_a_fresh_process(promoted, home, tmp_path):
    program = (
        "import mlflow\n"
        f"mlflow.set_tracking_uri('sqlite:///{home / 'mlflow.db'}')\n"
        "model = mlflow.pyfunc.load_model('models:/mpt-small@champion')\n"
        "print(model.predict(['the cat sat on the mat', 'a dog ran']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert len(answers) == 2
    assert set(answers) <= {"yes", "no"}


def test_the_winner_s_curse_is_warned_of_unless_the_winner_was_re_tested(promoted, home):
    assert "re-test of small: " in promoted.err
    assert "winner's curse" not in promoted.err
    untested = mpt("promote", "best", "--top-k", "1", home=home)
    assert "winner's curse" in untested.err
    assert "re-test of small: " not in untested.err
