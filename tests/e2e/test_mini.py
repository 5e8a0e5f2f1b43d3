"""The embedded gym and backbone from end to end, with budgets of a minute."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from terminal import mpt

from mpt.config import RunConfig
from mpt.gym.source import open_gym
from mpt.methods import METHODS
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.results import MetaResult

pytestmark = pytest.mark.slow

TINY = {
    "name": "tiny",
    "method": "reptile",
    "inner": {"batch": 4},
    "outer": {"episodes": 2, "batch": 4},
    "space": {"inner_lr": [1.0], "outer_lr": [0.3, 0.5], "inner_steps": [2], "outer_steps": [4]},
    "source_seeds": [13],
    "tuning": {"steps": 6, "batch": 8, "num_evals": 2},
    "validation": {"seeds": [13]},
    "final": {"settings": ["R->R", "Cls->Cls"], "seeds": [13], "lrs": [0.3]},
    "trials": 2,
    "pack": 2,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("mini") / "home"


@pytest.fixture(scope="module")
def swept(home):
    home.parent.mkdir(exist_ok=True)
    study = home.parent / "study.yaml"
    study.write_text(yaml.safe_dump(TINY))
    return mpt("sweep", "--study", study, home=home)


def test_a_sweep_on_the_embedded_gym_ends_with_an_arg(swept):
    assert swept.code == 0, swept.err
    assert sum("complete" in line for line in swept.out.splitlines()) == 2
    assert "Best: trial " in swept.out


def test_its_best_trial_is_promoted_on_two_settings(swept, home):
    said = mpt("promote", "best", home=home)
    assert said.code == 0, said.err
    for setting in ("R->R", "Cls->Cls"):
        assert f" {setting} " in said.out
    (line,) = (line for line in said.out.splitlines() if line.startswith("Report: "))
    with (Path(line.split(maxsplit=1)[1]).parent / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    targets = open_gym("mini").partitions.setting("Cls->Cls").targets
    evaluated = {row["task"] for row in rows if row["setting"] == "Cls->Cls"}
    assert evaluated == set(targets)
    again = mpt("promote", "best", "--json", home=home)
    assert "nothing to compute" in again.err
    assert {gain["setting"] for gain in json.loads(again.out)["gains"]} == {"R->R", "Cls->Cls"}


def test_prompt_tuning_beats_the_majority_class_on_an_easy_task(tmp_path):
    from mpt.compute.worker import Worker
    from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, Lab
    from mpt.store.home import Home
    from mpt.store.ledger import Ledger
    from mpt.study.study_file import make_study

    study = make_study({"tuning": {"steps": 40, "batch": 8, "num_evals": 4}})
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    gym = open_gym("mini")
    easy = gym.partitions.setting("Cls->Cls").targets[:4]
    with Ledger(home.ledger_url) as ledger:
        lab = Lab(Worker(gym, study.backbone, home, "cpu"), ledger)
        case = EvalTarget("easy", BASELINE, "vocabulary", easy)
        evaluated = lab.evaluate_cells(
            [case], EvalProtocol((13,), (0.5,), study.tuning), title="pt", pack=16
        )
    above = {}
    for one in evaluated:
        test = gym.split(one.cell.task, 13).test
        (_, most), *_ = Counter(example.targets[0] for example in test).most_common(1)
        assert one.score is not None
        above[one.cell.task] = one.score.test - most / len(test)
    assert max(above.values()) > 0.05, above


@pytest.mark.parametrize("method", ["metasgd", "imaml"])
def test_methods_that_learn_or_take_more_than_a_prompt_are_swept(method, swept, home, tmp_path):
    """Beside the sweep of Reptile, whose plain prompt tuning they find in the ledger."""
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**TINY, "name": f"tiny-{method}", "method": method}))
    said = mpt("sweep", "--study", study, home=home)
    assert said.code == 0, said.err
    assert sum("complete" in line for line in said.out.splitlines()) == 2
    with Ledger(Home.find({"MPT_HOME": str(home)}).ledger_url) as ledger:
        units = [unit for unit in ledger.units() if getattr(unit.config, "method", "") == method]
    assert units
    for unit in units:
        assert isinstance(unit.config, RunConfig)
        assert isinstance(unit.result, MetaResult)
        assert (unit.config.method_args or {}) == METHODS[method].arguments({})
        assert set(unit.result.learned) == ({"rate_scale"} if method == "metasgd" else set())
        for of in unit.result.learned.values():
            assert of["min"] < of["mean"] < of["max"]
