"""Shots of sources and of targets: other rows, other units, each side by itself."""

from __future__ import annotations

import pytest

from mpt.compute.worker import Worker
from mpt.config import InnerLoop, OuterLoop, RunConfig, Tuning
from mpt.errors import ConfigError
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import EvalProtocol, EvalTarget, Lab
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import make_study

SMALL = {"tuning": {"steps": 2, "batch": 4, "num_evals": 1}, "sources": ["film-judgement"]}


@pytest.fixture
def worker(tmp_path):
    study = make_study({})
    home = Home.find({"MPT_HOME": str(tmp_path)}).open()
    return Worker(open_gym(), study.backbone, home, "cpu")


def test_each_side_has_its_own_shots(worker):
    few, sources, targets = (
        plan(make_study({**SMALL, **shots}), worker)
        for shots in ({}, {"source_shots": 24}, {"target_shots": 24})
    )
    assert few.data == targets.data != sources.data
    assert few.validation_data == sources.validation_data != targets.validation_data
    assert sources.config({}).shots == 24
    assert targets.config({}).shots is None
    assert targets.eval_protocol.shots == 24


def test_a_cell_is_tuned_on_as_many_examples_as_asked(worker):
    ledger = Ledger(worker.home.ledger_url)
    lab = Lab(worker, ledger)
    case = EvalTarget("s", "PT", "vocabulary", ("letter-emotion",))
    tuning = Tuning(steps=2, batch=4, num_evals=1)
    evaluated = [
        lab.evaluate_cells([case], EvalProtocol((13,), (0.3,), tuning, shots), title="t", pack=4)[0]
        for shots in (None, 24)
    ]
    assert [one.unit.state for one in evaluated] == ["done", "done"]
    assert evaluated[0].cell.digest != evaluated[1].cell.digest
    assert len(worker.tokens("letter-emotion", 13, 24).train) == 4 * 24
    assert lab.computed == 2
    ledger.close()


def test_without_shots_a_unit_is_what_it_was():
    config = RunConfig(
        backbone=make_study({}).backbone,
        weights="w",
        method="reptile",
        inner=InnerLoop(),
        outer=OuterLoop(),
        sources=("a",),
        data_seeds=(13,),
        data="d",
    )
    assert config.digest == "adfbbf97e6f3"
    assert RunConfig(**{**config.model_dump(), "shots": 64}).digest != config.digest
    assert "source_shots" not in make_study({}).definition


@pytest.mark.parametrize("shots", [0, "many", 2.5])
def test_odd_shots_are_refused(shots):
    with pytest.raises(ConfigError, match=f"'source_shots.*' is {shots!r}"):
        make_study({"source_shots": shots})
