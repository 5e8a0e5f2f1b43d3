"""`scoring: labels` in a study file: what is said, printed and recorded."""

from __future__ import annotations

import json

import pytest
from synthetic import write_gym
from terminal import mpt, study_file

TASKS = ("trec", "samsum")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A gym of a classification and a text task, and a study file that scores by labels."""
    folder = tmp_path_factory.mktemp("scoring")
    tuning = {"steps": 2, "batch": 4, "num_evals": 1, "scoring": "labels", "test_rows": 5}
    gym = write_gym(folder / "gym", TASKS)
    final = {"seeds": [13], "lrs": [0.5]}
    study_file(folder / "study.yaml", {"gym": str(gym), "tuning": tuning, "final": final})
    return folder


def evaluated(place, *words):
    study = ("--study", place / "study.yaml", "--tasks", ",".join(TASKS))
    return mpt("evaluate", "vocabulary", *study, *words, home=place / "home")


@pytest.fixture(scope="module")
def said(place):
    return evaluated(place)


def test_tasks_with_free_answers_are_named_and_generated(said):
    assert said.code == 0, said.err
    assert "scoring: labels: samsum: answers are free, so they are generated" in said.err
    expected = (
        "Scored by labels (the likeliest one); generation for samsum, whose answers are free."
    )
    assert expected in " ".join(said.out.split())


def test_json_and_the_record_say_how_each_task_was_scored(said, place):
    found = json.loads(evaluated(place, "--json").out)
    assert found["scoring"] == {"labels": ["trec"], "generation": ["samsum"]}
    # of five rows
    (trec,) = (row for row in found["scores"] if row["task"] == "trec")
    assert trec["test"] * 5 == pytest.approx(round(trec["test"] * 5))


def test_another_way_to_score_is_refused_with_the_known_ones(place, tmp_path):
    tuning = {"steps": 2, "scoring": "label"}
    path = study_file(tmp_path / "study.yaml", {"tuning": tuning})
    refused = mpt("evaluate", "vocabulary", "--study", path, home=tmp_path / "home")
    assert refused.code == 2
    assert "'tuning.scoring' is 'label': input should be 'generation' or 'labels'" in refused.error
    assert "did you mean 'labels'?" in refused.error
