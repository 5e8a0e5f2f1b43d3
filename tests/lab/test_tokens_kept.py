"""A worker's token cache: a second start tokenises nothing, and no result changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import write_gym
from tiny import tiny_t5

from mpt.compute.worker import Worker
from mpt.config import (
    VOCABULARY,
    BackboneConfig,
    CellConfig,
    InnerLoop,
    OuterLoop,
    RunConfig,
    Tuning,
)
from mpt.gym.source import open_gym
from mpt.store.artefacts import load_prompt
from mpt.store.home import Home

CONFIG = BackboneConfig(name="tiny", prompt_tokens=3, max_input=16, max_target=4)
TASKS = ("glue-mrpc", "trec")


class Counted:
    """A tokenizer that counts the texts that it is called with."""

    def __init__(self, tokenizer):
        self.tokenizer, self.texts = tokenizer, 0

    def __call__(self, texts, **options):
        self.texts += len(texts)
        return self.tokenizer(texts, **options)

    def __len__(self):
        return len(self.tokenizer)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


@pytest.fixture(scope="module")
def gym(tmp_path_factory) -> str:
    return str(write_gym(tmp_path_factory.mktemp("gym"), TASKS))


def start(gym: str, home: Path) -> tuple[Worker, Counted]:
    """A worker as a fresh process has it."""
    worker = Worker(open_gym(gym), CONFIG, Home.find({"MPT_HOME": str(home)}).open(), "cpu")
    backbone = tiny_t5()
    counted = backbone.tokenizer = Counted(backbone.tokenizer)
    worker.__dict__["backbone"] = backbone
    return worker, counted


def results(worker: Worker) -> list:
    data = worker.data_digest(TASKS, (13,))
    run = RunConfig(
        backbone=CONFIG,
        weights=worker.backbone.weights,
        method="fomaml",
        inner=InnerLoop(steps=1, batch=2),
        outer=OuterLoop(steps=2, episodes=2, batch=2),
        sources=TASKS,
        data_seeds=(13,),
        data=data,
        seed=0,
    )
    cell = CellConfig(
        backbone=CONFIG,
        weights=worker.backbone.weights,
        task="trec",
        data_seed=13,
        data=worker.split_digest("trec", 13),
        start=VOCABULARY,
        lr=0.3,
        tuning=Tuning(steps=2, batch=4, num_evals=1),
    )
    units = [*worker.learn([run], lambda _: None), *worker.tune([cell], lambda _: None)]
    prompts = [load_prompt(worker.home, str(unit.artefact)).tolist() for unit in units]
    return [(unit.digest, unit.state, unit.result) for unit in units] + prompts


def test_a_second_start_tokenises_nothing_and_nothing_changes(gym, tmp_path):
    first, counted = start(gym, tmp_path)
    expected = results(first)
    assert counted.texts > 0
    assert list(first.home.tokens.glob("*.i32"))
    again, counted = start(gym, tmp_path)
    assert results(again) == expected
    assert counted.texts == 0
    plain, counted = start(gym, tmp_path / "other")
    for task in TASKS:
        plain.tokens(task, 13)
    plain._tokens |= {key: replace(kept, cache=None) for key, kept in plain._tokens.items()}
    assert results(plain) == expected
    assert counted.texts > 0
    assert not list(plain.home.tokens.iterdir())


def test_another_backbone_has_tokens_of_its_own(gym, tmp_path):
    first, _ = start(gym, tmp_path)
    assert first.tokens("trec", 13).train
    other, counted = start(gym, tmp_path)
    other.backbone.weights = "another"
    assert other.tokens("trec", 13).train
    assert counted.texts == 2 * len(first.tokens("trec", 13).split.train)
