"""The second baseline in the lab: judged beside prompts, recorded once, its weights not kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from terminal import world

from mpt.compute.worker import Worker
from mpt.config import FINE_TUNING, VOCABULARY, BackboneConfig, FineTuneConfig, FineTuning, Tuning
from mpt.gym.source import open_gym
from mpt.lab.run import BASELINE, FULL, EvalProtocol, EvalTarget, Lab, scores
from mpt.stats.scores import gains
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import make_study

pytestmark = pytest.mark.slow

TASKS = ("trec", "liar")
CASES = [
    EvalTarget("targets", BASELINE, VOCABULARY, TASKS),
    EvalTarget("targets", FULL, FINE_TUNING, TASKS),
]
JUDGING = EvalProtocol(
    (13, 21),
    (0.5,),
    Tuning(steps=4, batch=4, num_evals=2),
    full_lrs=(5e-4, 1e-4),
    fine_tuning=FineTuning(steps=4, batch=4, num_evals=2),
)


def opened(home, **prompt):
    backbone = BackboneConfig(name=str(world().backbone), max_input=16, max_target=4, **prompt)
    worker = Worker(open_gym(str(world().gym)), backbone, home, "cpu")
    return Lab(worker, Ledger(home.ledger_url))


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path / "home")}).open()


def test_cells_of_prompts_and_of_whole_models_are_judged_together(home):
    lab = opened(home, prompt_tokens=3)
    with lab.ledger:
        evaluated = lab.evaluate_cells(CASES, JUDGING, title="targets", pack=4)
        assert lab.computed == 2 * 2 + 2 * 2 * 2
        again = lab.evaluate_cells(CASES, JUDGING, title="targets", pack=4)
        assert lab.computed == 12
        assert scores(again) == scores(evaluated)
    full = [one for one in evaluated if one.eval_target.method == FULL]
    assert {(j.cell.task, j.cell.data_seed, j.cell.lr) for j in full} == {
        (task, seed, lr) for task in TASKS for seed in (13, 21) for lr in (5e-4, 1e-4)
    }
    for one in full:
        assert isinstance(one.cell, FineTuneConfig)
        assert (one.unit.kind, one.unit.state, one.unit.artefact) == ("finetune", "done", None)
        assert len(one.unit.curve) == 4
        assert [step for step, _ in one.unit.result.dev_evals] == [2, 4]
        assert one.unit.result.plan.engine == "first order"
    (gain,) = gains(scores(evaluated), baseline=BASELINE, zero_baseline="report")
    assert (gain.setting, gain.method) == ("targets", FULL)
    assert len(list(home.prompts.glob("*"))) == 4, "prompts are kept, weights are not"


@pytest.mark.slow
def test_a_prompt_s_settings_do_not_make_another_fine_tuning(home):
    found = []
    for prompt in ({"prompt_tokens": 3}, {"prompt_tokens": 5, "prompt_position": "after"}):
        lab = opened(home, **prompt)
        with lab.ledger:
            lab.evaluate_cells(CASES[1:], JUDGING, title="targets", pack=4)
            found.append(lab.computed)
    assert found == [8, 0]


@pytest.mark.slow
def test_one_that_goes_astray_is_recorded_and_has_no_score(home):
    lab = opened(home)
    wild = replace(JUDGING, seeds=(13,), full_lrs=(1e30, 1e-4))
    with lab.ledger:
        evaluated = lab.evaluate_cells(CASES[1:], wild, title="targets", pack=4)
    by_rate = {one.cell.lr: one for one in evaluated if one.cell.task == "liar"}
    assert by_rate[1e30].unit.state == "diverged"
    assert "diverged at step" in by_rate[1e30].unit.reason
    assert by_rate[1e30].score is None
    assert by_rate[1e-4].score is not None


def test_a_study_says_how_long_whole_models_are_trained():
    study = make_study(
        {
            "final": {"fine_tuning": {"lrs": [3e-4], "steps": 9}},
            "tuning": {"num_beams": 4, "test_rows": 256},
        }
    )
    assert study.final.fine_tuning.lrs == (3e-4,)
    assert study.fine_tuning == FineTuning(steps=9, num_beams=4, test_rows=256)
    assert make_study({}).final.fine_tuning.lrs == (5e-4, 3e-4, 2e-4, 1e-4)
