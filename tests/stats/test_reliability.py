"""Reliability of a search: by hand, and against simulations with known variances."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from gain_tables import gain_table as table

from mpt.stats.gain_table import crossed
from mpt.stats.reliability import reliability

VARIED, FLAT = [[1, 3], [5, 7], [8, 12]], [[2, 2], [2, 2], [2, 2]]


def test_one_task_by_hand():
    # means 2, 6, 10 with variance 16; trial x seed has the mean square 2/3
    known = reliability(table([[row] for row in VARIED]))
    assert known.value == pytest.approx(1 - (2 / 3 / 2) / 16)
    assert known.over_tasks.value != known.over_tasks.value
    assert (
        known.over_tasks.why == "the variation between tasks cannot be estimated from a single one"
    )
    assert known.components is not None
    assert known.components.residual == pytest.approx(2 / 3)
    assert known.components.trials == pytest.approx(16 - 1 / 3)
    assert known.trials == ("3", "2", "1")


def test_two_tasks_by_hand():
    # means over tasks 2, 4, 6 with variance 4; trial x task has the mean square 8
    known = reliability(table([list(pair) for pair in zip(VARIED, FLAT, strict=True)]))
    assert known.value == pytest.approx(1 - (2 / 3 / 2 / 4) / 4)
    assert known.over_tasks.value == 0
    assert known.components is not None
    assert known.components.trials == pytest.approx(0)
    assert known.components.tasks == pytest.approx(8 - 1 / 6)
    assert known.components.residual == pytest.approx(1 / 3)
    assert [(task.task, task.is_full) for task in known.flat] == [("task-1", False)]


def test_what_all_trials_share_does_not_count():
    gains = np.random.default_rng(0).normal(size=(6, 4, 3))
    shared = 50 * np.random.default_rng(1).normal(size=(1, 4, 3))
    assert reliability(table(gains + shared)).value == pytest.approx(
        reliability(table(gains)).value
    )


def test_tied_trials_have_a_reliability_of_zero_with_the_reason():
    shared = np.random.default_rng(0).normal(size=(1, 3, 2))
    known = reliability(table(np.repeat(shared, 4, axis=0)))
    assert (known.value, known.over_seeds.why) == (0.0, "all trials have the same gain")
    assert known.not_separated == ("2", "3", "4")
    assert known.further_seeds is None
    assert len(known.flat) == 3


def test_trials_that_no_seed_changes_have_no_interval():
    known = reliability(table([[[1, 1]], [[2, 2]], [[4, 4]]]))
    assert known.value == 1.0
    assert not known.over_seeds.interval.known
    assert known.over_seeds.why.startswith("nothing but the trial changes a gain")
    assert known.not_separated == ("2", "1")


def test_a_single_seed_says_nothing_about_seeds():
    known = reliability(table(np.random.default_rng(0).normal(size=(5, 4, 1))))
    assert known.value != known.value
    assert known.over_seeds.why == "the noise of data seeds cannot be estimated from a single one"
    assert 0 <= known.over_tasks.value <= 1
    assert len(known.not_separated) == 4
    assert known.flat == ()


def test_a_single_trial_or_none_says_why():
    alone = reliability(table([[[1, 2]]], left_out={"2": "diverged"}))
    assert alone.over_seeds.why == "only one trial has a score on every cell"
    assert (alone.left_out, alone.components) == ({"2": "diverged"}, None)
    assert reliability(crossed({})).over_seeds.why == "no cell has a gain"
    lost = reliability(crossed({"1": {("a", 13): [nan]}, "2": {("a", 13): [1.0]}}))
    assert lost.left_out == {"1": "it has no score"}


def test_tasks_at_the_ceiling_have_no_room_whatever_the_trials_do():
    gains = np.zeros((4, 2, 3))
    gains[:, :, :] = np.arange(4)[:, None, None] + 0.01 * np.random.default_rng(0).normal(
        size=gains.shape
    )
    known = reliability(table(gains, levels={"task-0": 0.99, "task-1": 0.5}))
    assert [(task.task, task.level, task.is_full) for task in known.flat] == [
        ("task-0", 0.99, True)
    ]


def test_rounding_is_part_of_the_residual():
    rng = np.random.default_rng(0)
    trials, seeds, rounding, noise = 30, 6, 4.0, 9.0
    base = rng.normal(scale=np.sqrt(noise), size=(trials, 4, seeds))
    twice = base[..., None] + rng.normal(scale=np.sqrt(rounding), size=(*base.shape, 2))
    known = reliability(
        crossed(
            {
                str(t): {
                    (f"task-{k}", s): list(twice[t, k, s]) for k in range(4) for s in range(seeds)
                }
                for t in range(trials)
            }
        )
    ).components
    assert known is not None
    assert known.rounding == pytest.approx(rounding, rel=0.15)
    # cells hold means of two computations
    assert known.residual == pytest.approx(noise + rounding / 2, rel=0.15)
    assert known.seeds == pytest.approx(noise, rel=0.15)
    once = reliability(table(base)).components
    assert once is not None
    assert np.isnan(once.rounding)
    assert np.isnan(once.seeds)


SDS = np.array([3.0, 1, 1, 1, 0.5])
"""Noise of five tasks that differ in it."""


def simulated(trials, seeds, spread, by_task, studies):
    """Studies of the same trials: the share of variance that is due to them, and the estimates."""
    rng = np.random.default_rng((trials, seeds))
    effects = rng.normal(size=trials) * spread
    effects = effects[:, None] + rng.normal(size=(trials, 5)) * by_task
    between, noise = effects.mean(axis=1).var(ddof=1), (SDS**2).sum() / 25 / seeds
    known = []
    for _ in range(studies):
        own = rng.normal(size=(trials, 5, seeds)) * SDS[:, None]
        shared = rng.normal(size=(1, 5, seeds)) * 5
        known.append(reliability(table(effects[:, :, None] + own + shared)))
    return between, noise, known


def check(trials, seeds, spread, by_task, studies, error):
    between, noise, known = simulated(trials, seeds, spread, by_task, studies)
    truth = between / (between + noise)
    covered = [
        k.over_seeds.interval.low - 1e-9 <= truth <= k.over_seeds.interval.high + 1e-9
        for k in known
    ]
    assert np.mean(covered) > 0.95 - error
    residual = np.mean([k.components.residual for k in known])
    assert residual == pytest.approx((SDS**2).mean(), rel=2 * error)
    # too low with few trials, never too high but where it is truncated at zero
    mean = np.mean([k.value for k in known])
    assert truth - 0.15 < mean < truth + (0.03 if truth else 0.25)
    return truth, mean


def test_estimates_cover_the_true_share():
    check(trials=8, seeds=2, spread=1, by_task=1, studies=150, error=0.07)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trials", "seeds", "spread", "by_task"),
    [(8, 2, 1, 1), (8, 5, 1, 1), (8, 2, 3, 1), (12, 2, 0, 0), (40, 3, 1, 1), (4, 3, 1, 0)],
)
def test_coverage_and_bias_with_known_variances(trials, seeds, spread, by_task):
    check(trials, seeds, spread, by_task, studies=500, error=0.05)


def test_with_many_trials_the_estimate_is_not_biased():
    truth, mean = check(trials=40, seeds=3, spread=1, by_task=1, studies=60, error=0.09)
    assert mean == pytest.approx(truth, abs=0.04)


def test_it_is_the_correlation_between_two_searches():
    """Over the same trials with other data seeds, on average."""
    _, _, known = simulated(30, 4, 1, 1, 60)
    places = [np.argsort(np.argsort([int(name) for name in k.trials])) for k in known]
    assert len(places) == 60
    rng = np.random.default_rng(1)
    effects = rng.normal(size=(30, 1)) + rng.normal(size=(30, 5))
    once, twice = (
        (effects[None, :, :, None] + rng.normal(size=(60, 30, 5, 4)) * SDS[:, None]).mean((2, 3))
        for _ in range(2)
    )
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(once, twice, strict=True)]
    between, noise = effects.mean(axis=1).var(ddof=1), (SDS**2).sum() / 25 / 4
    assert np.mean(correlations) == pytest.approx(between / (between + noise), abs=0.03)


def test_over_tasks_is_never_above_over_seeds():
    rng = np.random.default_rng(3)
    for _ in range(40):
        known = reliability(table(rng.normal(size=(5, 3, 2)) + rng.normal(size=(5, 1, 1))))
        assert known.over_tasks.value <= known.value + 1e-12
