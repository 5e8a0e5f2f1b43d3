"""Prompts tuned on the embedded gym: tasks of one kind are nearer to each other than others."""

from __future__ import annotations

import json
from itertools import permutations
from statistics import fmean

import pytest
import yaml
from terminal import mpt

from mpt.gym.source import open_gym

pytestmark = pytest.mark.slow

TASKS = (
    *("film-judgement", "hotel-judgement", "diary-emotion", "tweet-emotion", "news-topic"),
    *("forum-topic", "scene-entailment", "quantity-entailment"),
    *("sentence-paraphrase", "scene-paraphrase"),
)


def test_similar_tasks_score_above_dissimilar_ones(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"name": "alike", "final": {"seeds": [13, 21], "lrs": [0.3]}}))
    words = ("--study", study, "--tasks", ",".join(TASKS), "--tune", "--json")
    said = mpt("similarity", *words, home=tmp_path / "home")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    kind = {task: open_gym("mini").card(task).subfamily for task in TASKS}
    same, other = [], []
    for (a, i), (b, j) in permutations(((t, found["tasks"].index(t)) for t in TASKS), 2):
        (same if kind[a] == kind[b] else other).append(found["matrix"][i][j])
    assert len(same) == 10
    assert fmean(same) > fmean(other) > found["chance"]
