"""`mpt campaign`: a preset file from the command line to its table and its report."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from terminal import contents, mpt, world

from mpt.commands.app import app
from mpt.gym.crossfit import crossfit_partitions
from mpt.study.presets import read_preset, rows

pytestmark = pytest.mark.slow

PRESET = {
    "name": "small-question",
    "title": "What does the source side change?",
    "study": {
        "backbone": {"prompt_tokens": 3, "max_input": 16, "max_target": 4},
        "setting": "Cls->Cls",
        "source_seeds": [13],
        "tuning": {"steps": 2, "batch": 4, "num_evals": 1},
        "final": {"seeds": [13, 21], "lrs": [0.5]},
        "pack": 2,
        "cells_per_pack": 8,
    },
    "recipes": {
        "fomaml": {
            "inner": {"steps": 1, "batch": 2},
            "outer": {"steps": 2, "episodes": 2, "batch": 2},
        },
        "mtl": {"epochs": 1, "outer": {"episodes": 4, "batch": 16}},
    },
    "methods": ["fomaml", "mtl"],
    "variants": {
        "two sources": {"sources": ["glue-mrpc", "glue-qqp"], "paper": {"MPT": 1.5}},
        "one source": {"sources": ["glue-mrpc"], "methods": ["fomaml"]},
        "a rate": {"sources": ["glue-mrpc"], "outer": {"lr": 0.1}, "methods": ["fomaml"]},
    },
}
LABELS = list(PRESET["variants"])


def preset_file(path: Path, changes: dict | None = None) -> Path:
    given = {**PRESET, **(changes or {})}
    study = {**given["study"], "gym": str(world().gym)}
    study["backbone"] = {**study["backbone"], "name": str(world().backbone)}
    path.write_text(yaml.safe_dump({**given, "study": study}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaign")
    preset_file(folder / "small.yaml")
    return folder


@pytest.fixture(scope="module")
def answered(place):
    return mpt("campaign", "--study", place / "small.yaml", home=place / "home")


def test_the_answer_is_one_table_of_variants_and_methods(answered):
    assert answered.code == 0, answered.err
    lines = answered.out.splitlines()
    (header,) = (line for line in lines if line.startswith(" Variant"))
    assert header.split() == ["Variant", "FoMAML", "MTL"]
    found = [line for line in lines if line.strip().startswith(tuple(LABELS))]
    assert [line.strip().split("  ")[0] for line in found] == LABELS
    assert all(line.count("[") + line.count("n/a") >= 2 for line in found)


def test_the_papers_value_is_not_beside_other_sources(answered):
    # the variant names its own sources: the folder lacks most of the paper's targets
    assert "paper" not in answered.out
    assert "the gym lacks tasks of the paper's setting in two sources" in answered.err


def test_report_and_table_lie_where_the_command_says(answered, place):
    (line,) = (line for line in answered.out.splitlines() if line.startswith("Report: "))
    page = Path(line.removeprefix("Report: "))
    assert page.parent == place / "home" / "reports" / "preset-small-question"
    assert PRESET["title"] in page.read_text(encoding="utf-8")
    for ending in ("md", "tex", "csv"):
        assert "one source" in (page.parent / f"answer.{ending}").read_text()
    assert (page.parent / "arg.csv").is_file()


def test_again_nothing_is_computed_and_json_has_every_gain(answered, place):
    again = mpt("campaign", "--study", place / "small.yaml", "--json", home=place / "home")
    assert "nothing to compute" in again.err
    told = json.loads(again.out)
    assert told["preset"] == "small-question"
    pairs = [(gain["setting"], gain["method"]) for gain in told["gains"]]
    assert pairs == [
        *(("two sources", "fomaml"), ("two sources", "mtl")),
        *(("one source", "fomaml"), ("a rate", "fomaml")),
    ]


def test_mlflow_has_a_run_for_every_meta_training(answered, place):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_dry_run_counts_and_writes_nothing(place, tmp_path):
    told = mpt("campaign", "--study", place / "small.yaml", "--dry-run", home=tmp_path / "never")
    assert told.code == 0, told.err
    (row,) = (line for line in told.out.splitlines() if line.strip().startswith("two sources"))
    # 2 targets x 2 seeds x 1 rate, for plain prompt tuning and two prompts
    assert row.split()[-2:] == ["2", "12"]
    assert not (tmp_path / "never").exists()


def test_a_dry_run_without_the_gym_shows_the_published_settings(tmp_path):
    path = preset_file(tmp_path / "p.yaml")
    told = mpt(
        *("campaign", "--study", path, "--gym", tmp_path / "none", "--dry-run"), home=tmp_path / "h"
    )
    assert told.code == 0
    assert "does not exist; showing the published settings" in told.err


REFUSED = {
    "nothing asked": ([], "give one of --preset NAME"),
    "both asked": (["--preset", "q1", "--study", "FILE"], "give one of --preset NAME"),
    "no such preset": (["--preset", "case"], "unknown preset 'case'. Known: case-study, q1,"),
    "a study file": (["--study", "STUDY"], "is no preset: it has neither 'variants' nor 'pairs'"),
    "no folder": (["--study", "FILE", "--gym", "./nowhere"], "gym folder nowhere does not exist"),
    "no such device": (["--study", "FILE", "--device", "tpu"], "unknown device 'tpu'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_one_line_and_nothing_is_written(case, answered, place):
    words, line = REFUSED[case]
    (place / "study.yaml").write_text("method: maml\n")
    files = {"FILE": str(place / "small.yaml"), "STUDY": str(place / "study.yaml")}
    before = contents(place / "home")
    refused = mpt("campaign", *(files.get(word, word) for word in words), home=place / "home")
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(place / "home") == before


def test_the_page_of_presets_shows_what_works(tmp_path, repository):
    text = (repository / "docs" / "presets.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    (example,) = (block for kind, block in blocks if kind == "yaml")
    shutil.copy(repository / "sweeps" / "paper-base.yaml", tmp_path)
    (tmp_path / "q2.yaml").write_text(example, encoding="utf-8")
    found = rows(read_preset(tmp_path / "q2.yaml"), crossfit_partitions())
    assert [row.entries[0].study.target_shots for row in found] == [None, 32]
    shell = "".join(block for kind, block in blocks if kind == "bash")
    lines = [line for line in shell.splitlines() if line.startswith("mpt ")]
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command = typer.main.get_command(app)
        while inside := getattr(command, "commands", {}):
            command, words = inside[words[0]], words[1:]
        assert command.make_context(line, words).params.keys()
    assert len(lines) > 6


def test_pairs_have_their_own_table(tmp_path):
    pairs = {"similar": [["glue-mrpc", "glue-qqp"]], "dissimilar": [["imdb", "trec"]]}
    given = {"variants": {}, "pairs": pairs, "name": "pairs"}
    path = preset_file(tmp_path / "pairs.yaml", given)
    told = mpt("campaign", "--study", path, home=tmp_path / "home")
    assert told.code == 0, told.err
    assert "glue-qqp" in told.out
    assert (tmp_path / "home" / "reports" / "preset-pairs" / "pairs.csv").is_file()
    counted = mpt("campaign", "--study", path, "--dry-run", home=tmp_path / "home")
    assert counted.out.split()[-4:] == ["4", "2", "1", "8"]
