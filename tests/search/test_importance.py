"""Importance finds what an ARG was made of, and is silent where nothing can be said."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from mpt.search.importance import FEWEST, importance
from mpt.search.trial import Trial
from mpt.study.study import Study
from mpt.study.study_file import make_study

SPACE = {
    "inner_lr": {"low": 0.1, "high": 10.0},
    "outer_lr": [0.2, 0.3, 0.5],
    "outer_steps": [40, 80],
}


def trials(count: int, arg) -> list[Trial]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        params = {
            "inner_lr": float(np.exp(rng.uniform(log(0.1), log(10)))),
            "outer_lr": float(rng.choice(SPACE["outer_lr"])),
            "outer_steps": int(rng.choice(SPACE["outer_steps"])),
        }
        found.append(Trial(number, params, "complete", arg=arg(params)))
    return found


@pytest.fixture
def study() -> Study:
    return make_study({"method": "reptile", "space": SPACE})


@pytest.mark.parametrize("name", ["inner_lr", "outer_steps"])
def test_the_dimension_that_decides_has_the_largest_share(study, name):
    found = importance(study, trials(40, lambda params: float(params[name])))
    assert next(iter(found)) == name
    assert found[name] > 0.7
    assert sum(found.values()) == pytest.approx(1)


def test_trials_without_an_arg_do_not_count(study):
    done = trials(FEWEST, lambda params: params["inner_lr"])
    lost = [Trial(9, done[0].params, "diverged"), Trial(10, {}, "running")]
    assert importance(study, [*done, *lost]) == importance(study, done)
    assert importance(study, [*done[1:], *lost]) == {}


def test_a_study_that_searches_nothing_has_none():
    assert importance(Study(), trials(9, lambda params: 1.0)) == {}


def test_multi_task_learning_has_no_inner_rate():
    mtl = make_study({"method": "mtl", "space": SPACE})
    assert "inner_lr" not in importance(mtl, trials(20, lambda params: params["outer_lr"]))
