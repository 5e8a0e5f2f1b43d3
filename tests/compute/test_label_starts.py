"""`prompt_init: labels`: which labels a unit's prompt begins with."""

from __future__ import annotations

import pytest
import torch
from synthetic import write_gym
from terminal import mpt, study_file, world

from mpt.backbone.prompt import begin
from mpt.compute.worker import Worker
from mpt.config import BackboneConfig, CellConfig, Tuning
from mpt.gym.source import open_gym
from mpt.lab.evaluate import one_run
from mpt.store.home import Home
from mpt.study.study_file import make_study

P = 4


@pytest.fixture
def worker(tmp_path):
    """On a gym of two classifications and a text task; the first one's answers are colours."""
    gym = write_gym(tmp_path / "gym", ("glue-mrpc", "trec", "samsum"))
    for path in (gym / "glue-mrpc").iterdir():
        text = path.read_text().replace("\tyes", "\tvery red").replace("\tno", "\tblue")
        path.write_text(text)
    backbone = BackboneConfig(
        name=str(world().backbone),
        prompt_tokens=P,
        prompt_init="labels",
        max_input=16,
        max_target=4,
    )
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    return Worker(open_gym(str(gym)), backbone, home, "cpu")


def rows(worker, labels, *stream):
    return begin(worker.backbone, "labels", P, *stream, labels=lambda: labels)


def cell(worker, task):
    fields = worker.model.fields(worker.backbone_config)
    data = worker.split_digest(task, 13)
    config = CellConfig(
        **fields, task=task, data_seed=13, data=data, start="vocabulary", lr=0.5, tuning=Tuning()
    )
    return worker._cell_job(config).start


def test_a_meta_training_begins_with_those_of_all_its_sources(worker):
    changes = {"sources": ["trec", "glue-mrpc"], "source_seeds": [13, 21], "method": "mtl"}
    study = make_study({**changes, "backbone": worker.backbone_config.model_dump(by_alias=False)})
    start = worker._meta_job(one_run(study, worker)).start
    expected = rows(worker, ["no", "yes", "blue", "very red"], "run", 0)
    assert torch.equal(start, expected)


def test_plain_prompt_tuning_begins_with_those_of_its_task(worker):
    found = cell(worker, "glue-mrpc")
    assert torch.equal(found, rows(worker, ["blue", "very red"], "cell", "glue-mrpc", 13))


def test_a_task_of_free_answers_begins_with_vocabulary_rows(worker):
    found = cell(worker, "samsum")
    common = worker.backbone.vocabulary_prompt(P, "cell", "samsum", 13)
    assert torch.equal(found, common)


def test_such_a_prompt_is_shown_without_the_way_from_its_start(tmp_path):
    backbone = {"name": str(world().backbone), "prompt_tokens": P, "prompt_init": "labels"}
    path = study_file(
        tmp_path / "study.yaml", {"backbone": {**backbone, "max_input": 16, "max_target": 4}}
    )
    learned = mpt("run", "--study", path, home=tmp_path / "home")
    digest = learned.out.split("Run:")[1].split(",")[0].strip()
    shown = mpt("show", digest, "--prompt", home=tmp_path / "home", columns=120)
    assert shown.code == 0, shown.err
    assert "begun from labels of tasks that are not recorded" in shown.out
