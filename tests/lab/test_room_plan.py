"""What an oracle may use, beside the budget of few-shot tuning that a study gives."""

from __future__ import annotations

import pytest

from mpt.config import Tuning
from mpt.errors import ConfigError
from mpt.lab.room import DEV_ROWS, UPDATES, OracleBudget, RoomPlan
from mpt.study.study_file import make_study

AUTHORS = {"protocol": "authors", "final": {"lrs": [0.2, 0.5, 0.3], "seeds": [21, 13]}}


def plan(study, **budget):
    return RoomPlan(make_study(study), {"topic": 500, "story": "all"}, OracleBudget(**budget))


def test_an_oracle_has_more_updates_and_rows_and_the_rest_as_the_study_has_it():
    oracle = plan(AUTHORS).of_oracle("topic")
    # epochs would end it early, and of a long dev set a part is enough
    assert oracle.tuning == Tuning(
        steps=UPDATES, batch=16, num_evals=8, num_beams=4, dev_rows=DEV_ROWS
    )
    assert (oracle.seeds, oracle.lrs, oracle.shots) == ((21,), (0.5, 0.2), 500)
    assert plan(AUTHORS).of_oracle("story").shots == "all"


def test_few_shot_tuning_is_that_of_the_studys_targets():
    study = make_study({**AUTHORS, "target_shots": 8})
    few = plan({**AUTHORS, "target_shots": 8}).few_shot
    assert (few.seeds, few.lrs, few.shots) == ((21, 13), (0.2, 0.5, 0.3), 8)
    assert few.tuning == study.tuning
    assert (few.full_lrs, few.fine_tuning) == (study.final.fine_tuning.lrs, study.fine_tuning)


def test_updates_and_rates_can_be_given():
    oracle = plan({"final": {"lrs": [0.3]}}, updates=5).of_oracle("topic")
    assert (oracle.tuning.steps, oracle.tuning.num_evals, oracle.lrs) == (5, 5, (0.3,))
    assert plan({}, rates=(0.9, 0.1)).of_oracle("topic").lrs == (0.9, 0.1)


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        ({"rows": 0}, "rows is 0; give a whole number above 0"),
        ({"updates": -3}, "updates is -3; give a whole number above 0"),
        ({"rates": (0.5, float("nan"))}, "a rate is nan; give numbers above 0, such as 0.5,0.2"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(budget, line):
    with pytest.raises(ConfigError) as refused:
        OracleBudget(**budget)
    assert str(refused.value) == line
