"""Paired comparisons of every two trials, and the data seeds that would separate them."""

from __future__ import annotations

import numpy as np
import pytest
from gain_tables import gain_table as table
from scipy import stats

from mpt.stats.intervals import LEVEL
from mpt.stats.separation import Contrasts, further_seeds, not_separated, ranking

RNG = np.random.default_rng(0)


def test_on_one_task_it_is_the_paired_t_test():
    gains = RNG.normal(size=(2, 1, 6))
    expected = stats.ttest_rel(gains[0, 0], gains[1, 0]).pvalue
    assert Contrasts(table(gains)).p[0, 1] == pytest.approx(expected)


def test_the_error_of_a_pair_is_its_own():
    gains = RNG.normal(size=(4, 3, 5))
    gains[3] *= 10
    error = Contrasts(table(gains)).error
    differences = gains[0] - gains[1]
    variance = differences.var(axis=1, ddof=1).sum() / 5 / 9
    assert error[0, 1] == pytest.approx(np.sqrt(variance))
    assert error[0, 3] > 3 * error[0, 1]


def test_degrees_of_freedom_lie_between_one_task_and_all():
    even = Contrasts(table(RNG.normal(size=(30, 5, 4))))
    assert even.freedom == pytest.approx(15, rel=0.1)
    one = RNG.normal(size=(30, 5, 4)) * np.array([100, 1, 1, 1, 1])[:, None]
    assert Contrasts(table(one)).freedom == pytest.approx(3, rel=0.01)


def test_differences_that_agree_by_chance_have_the_common_noise():
    gains = np.array([[[1.0, 2.0]], [[0.0, 1.0]], [[0.5, 9.0]]])
    contrasts = Contrasts(table(gains))
    common = np.sqrt(2 * contrasts.noise.sum())
    assert contrasts.error[0, 1] == pytest.approx(common)
    assert contrasts.p[0, 1] > 0.05


def test_results_that_no_seed_changes_separate_nothing():
    contrasts = Contrasts(table([[[1, 1]], [[2, 2]]]))
    assert contrasts.p.min() == 1
    assert not_separated(contrasts) == [0]
    assert further_seeds(contrasts, 1, 0) is None


def test_equal_trials_stand_in_their_order():
    assert ranking(table([[[1, 1]], [[2, 2]], [[1, 1]]])) == [1, 0, 2]


def test_those_far_below_the_best_are_separated():
    gains = RNG.normal(size=(4, 5, 4))
    gains[1] = gains[0] + np.resize([1, -1], (5, 4)) - 0.1
    gains[2:] -= 50
    assert not_separated(Contrasts(table(gains))) == [1]


def test_the_best_of_equal_trials_is_rarely_separated():
    """Holm's correction covers that the best was chosen by the same data."""
    rng = np.random.default_rng(5)
    apart = [
        len(not_separated(Contrasts(table(rng.normal(size=(6, 4, 3)))))) < 5 for _ in range(200)
    ]
    assert np.mean(apart) < 0.11


def test_seeds_that_would_separate_two_trials():
    rng = np.random.default_rng(2)
    gains = rng.normal(size=(2, 5, 4))
    gains[0] += 0.4 - (gains[0] - gains[1]).mean()
    contrasts = Contrasts(table(gains))
    more = further_seeds(contrasts, 0, 1)
    assert more is not None
    spread = contrasts.error[0, 1] * 2
    tasks = contrasts.freedom / 3

    def power(seeds):
        freedom, effect = tasks * (seeds - 1), 0.4 / spread * np.sqrt(seeds)
        reach = stats.t.ppf((1 + LEVEL) / 2, freedom)
        return stats.nct.sf(reach, freedom, effect)

    assert power(4 + more) == pytest.approx(0.8, abs=0.05)
    assert power(4 + more) > 0.78


def test_a_difference_of_nothing_needs_no_number_of_seeds():
    gains = RNG.normal(size=(2, 1, 4))
    gains[0] -= (gains[0] - gains[1]).mean()
    assert further_seeds(Contrasts(table(gains)), 0, 1) is None
