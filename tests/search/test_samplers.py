"""What is particular to one sampler."""

from __future__ import annotations

from itertools import product

import pytest

from mpt.search.samplers import sobol
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.study.study_file import make_study


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path)}).open()


def settle(search, study, failing=()):
    while asked := search.ask(study):
        for trial in asked:
            state = "failed" if trial.number in failing else "complete"
            search.tell(trial, Trial(trial.number, {}, state, "d", 1.0, 0.0, 2.0))


def test_sobol_points_are_spread_more_evenly_than_random_ones_can_be():
    space = {"inner_lr": {"low": 0.01, "high": 1.0}, "outer_lr": {"low": 0.01, "high": 1.0}}
    study = make_study({"space": space, "sampler": "qmc"})
    points = [sobol(study, number) for number in range(16)]
    # the first 16 points of a scrambled Sobol sequence: one in each cell of a 4 x 4 board,
    # in logarithms, which is how rates are spread
    edges = [0.01 * 100 ** (k / 4) for k in range(1, 4)]

    def cell(rate):
        return sum(rate >= edge for edge in edges)

    cells = {(cell(p["inner_lr"]), cell(p["outer_lr"])) for p in points}
    assert len(cells) == 16


def test_sobol_points_of_a_list_take_every_value_equally_often():
    study = make_study({"space": {"outer_steps": [10, 20, 30, 40]}, "sampler": "qmc"})
    drawn = [sobol(study, number)["outer_steps"] for number in range(32)]
    assert sorted(drawn) == sorted([10, 20, 30, 40] * 8)


def test_a_grid_visits_every_cell_once_and_ends(home):
    space = {"outer_lr": [0.1, 0.3, 0.5], "outer_steps": [10, 20]}
    study = make_study({"name": "s", "sampler": "grid", "space": space, "trials": 50})
    search = Search.begin(study, study.definition, home)
    settle(search, study)
    cells = [(t.params["outer_lr"], t.params["outer_steps"]) for t in search.trials]
    assert sorted(cells) == sorted(product(space["outer_lr"], space["outer_steps"]))


def test_a_grid_tries_failed_cells_again_and_no_others(home):
    study = make_study({"name": "s", "sampler": "grid", "space": {"outer_lr": [0.1, 0.2, 0.3]}})
    first = Search.begin(study, study.definition, home)
    settle(first, study, failing=(1, 2))
    lost = {t.params["outer_lr"] for t in first.trials if t.state == "failed"}
    again = Search.begin(study, study.definition, home)
    settle(again, study)
    assert len(lost) == 2
    assert {t.params["outer_lr"] for t in again.trials[3:]} == lost
    assert len(again.trials) == 5
    assert Search.begin(study, study.definition, home).ask(study) == []
