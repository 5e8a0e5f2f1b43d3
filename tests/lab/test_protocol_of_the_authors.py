"""A cell of the authors' protocol, from study to score, on a tiny model from disk."""

from __future__ import annotations

import torch
from synthetic import write_gym
from tiny import TINY

from mpt.config import VOCABULARY, CellConfig
from mpt.gym.source import open_gym
from mpt.lab.home import Home
from mpt.lab.starts import start_of
from mpt.lab.study_file import make_study
from mpt.lab.worker import Worker


def test_a_cell_reads_task_names_and_begins_with_them(tmp_path):
    write_gym(tmp_path / "gym")
    tiny = TINY["t5"](dtype=torch.float32)
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.tokenizer.save_pretrained(tmp_path / "model")
    size = {"name": str(tmp_path / "model"), "prompt_tokens": 3, "max_input": 16, "max_target": 4}
    tuning = {"steps": 2, "batch": 2, "looks": 1}
    study = make_study({"protocol": "authors", "backbone": size, "tuning": tuning})
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    worker = Worker(open_gym(str(tmp_path / "gym")), study.backbone, home, "cpu")
    assert worker.backbone.place == "after"
    assert worker.tokens("glue-mrpc", 13).before == " [glue-mrpc] "
    config = CellConfig(
        backbone=study.backbone,
        weights=worker.backbone.weights,
        task="glue-mrpc",
        data_seed=13,
        data=worker.split_digest("glue-mrpc", 13),
        start=VOCABULARY,
        lr=0.1,
        tuning=study.tuning,
    )
    start = start_of(config, worker.backbone, worker.home)
    (name,) = worker.backbone.words(["glue mrpc"])
    torch.testing.assert_close(start[0], name.mean(0))
    (unit,) = worker.tune([config], lambda rows: None)
    assert unit.state == "done"
    assert 0 <= float(str(unit.result["test"])) <= 1
