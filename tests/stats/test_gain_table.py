"""The crossed table of trials x (task, data seed), from scores and from gains."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest

from mpt.stats.gain_table import crossed, table_of
from mpt.stats.scores import Score, gains


def scored(method, task, seed, test, dev=0.5, lr=0.3):
    return Score("validation", method, task, seed, dev, test, lr)


SCORES = [
    *(scored("PT", "a", seed, test) for seed, test in ((13, 0.4), (21, 0.6))),
    *(scored("PT", "b", seed, 0.25) for seed in (13, 21)),
    *(scored("1", task, seed, 0.5) for task in "ab" for seed in (13, 21)),
    *(scored("2", "a", seed, test) for seed, test in ((13, 0.7), (21, 0.8))),
    *(scored("2", "b", seed, 0.25) for seed in (13, 21)),
]


def test_gains_are_relative_to_the_mean_of_the_baseline_on_the_task():
    table = table_of(SCORES)
    assert table.trials == ("1", "2")
    assert table.cells == (("a", 13), ("a", 21), ("b", 13), ("b", 21))
    np.testing.assert_allclose(table.gains, [[0, 0, 100, 100], [40, 60, 0, 0]], atol=1e-12)
    assert table.levels == {"a": 0.5, "b": 0.25}
    assert (table.tasks, table.seeds) == (("a", "b"), (13, 21))


def test_the_mean_of_a_trial_is_its_arg():
    args = {gain.method: gain.arg for gain in gains(SCORES)}
    table = table_of(SCORES)
    assert dict(zip(table.trials, table.means, strict=True)) == pytest.approx(args)


def test_each_seed_counts_at_its_best_dev_rate():
    better = scored("1", "a", 13, 0.75, dev=0.9, lr=0.1)
    assert table_of([*SCORES, better]).gains[0, 0] == pytest.approx(50)


def test_a_task_where_the_baseline_scores_zero_is_left_out():
    zero = [scored(method, "z", 13, 0.0) for method in ("PT", "1", "2")]
    table = table_of([*SCORES, *zero])
    assert table.tasks == ("a", "b")
    assert table.zero_baseline == ("z",)


def test_a_trial_that_lacks_a_cell_is_left_out_with_the_reason():
    partial = [s for s in SCORES if (s.method, s.task) != ("2", "b")]
    table = table_of(partial, left_out={"3": "pruned"})
    assert table.trials == ("1",)
    assert table.left_out == {
        "3": "pruned",
        "2": "it has no score on b with data seed 13 and 1 more",
    }
    assert table.is_empty


def test_a_missing_cell_may_count_as_a_loss_instead():
    partial = [s for s in SCORES if (s.method, s.task, s.seed) != ("2", "b", 21)]
    table = table_of(partial, loss=-100.0)
    assert table.trials == ("1", "2")
    np.testing.assert_allclose(table.gains[1], [40, 60, 0, -100], atol=1e-12)


def test_nan_is_no_gain():
    table = crossed(
        {
            "1": {("a", 13): [1.0], ("a", 21): [2.0]},
            "2": {("a", 13): [nan], ("a", 21): [5.0]},
            "3": {("a", 13): [nan], ("a", 21): [nan]},
            "4": {("a", 13): [2.0], ("a", 21): [nan, 4.0]},
        }
    )
    assert table.trials == ("1", "4")
    assert table.left_out == {
        "2": "it has no score on a with data seed 13",
        "3": "it has no score",
    }
    np.testing.assert_allclose(table.gains, [[1, 2], [2, 4]])
    assert table.rounding is None


def test_a_cell_that_was_computed_several_times_has_the_mean_and_shows_rounding():
    table = crossed(
        {
            "1": {("a", 13): [1.0, 3.0], ("a", 21): [2.0]},
            "2": {("a", 13): [4.0, 4.0], ("a", 21): [5.0]},
        }
    )
    np.testing.assert_allclose(table.gains, [[2, 2], [4, 5]])
    # squares 2 and 0 with a degree of freedom each; two cells of one and two of two computations
    assert table.rounding == pytest.approx((1.0, 0.75))


def test_an_empty_table_has_nothing_to_compare():
    assert crossed({}).is_empty
    assert table_of([]).is_empty
    assert table_of([s for s in SCORES if s.method == "PT"]).is_empty
