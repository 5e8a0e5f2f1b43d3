"""Coverage of the intervals by simulation, and their behaviour where data are few or odd."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest
from crossed import crossed
from scipy import stats

from mpt.stats.intervals import (
    ENOUGH_TASKS,
    UNKNOWN,
    Interval,
    Target,
    over_seeds,
    over_tasks_and_seeds,
    over_trainings_too,
)


def draw(rng, *, tasks: int, spread: float, noise: float, seeds: int = 5, skewed: bool = False):
    """A study: targets whose true gains have mean 0.1 and the given spread; the true gains."""
    unit = rng.exponential(size=tasks) - 1 if skewed else rng.normal(size=tasks)
    gains = 0.1 + spread * unit
    level = rng.uniform(0.3, 0.8, tasks)
    split = 0.5 * rng.normal(size=(tasks, seeds))  # what a seed's split does to both sides

    def scores(truth):
        own = rng.normal(size=(tasks, seeds))
        return truth[:, None] * (1 + noise * (split + own))

    method, baseline = scores(level * (1 + gains)), scores(level)
    targets = [Target(tuple(m), tuple(b), True) for m, b in zip(method, baseline, strict=True)]
    return targets, gains


def coverage(interval, truth, *, studies: int, **kind) -> float:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(studies):
        targets, gains = draw(rng, **kind)
        found = interval(targets, rng)
        held += found.low <= truth(gains) <= found.high
    return held / studies


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "level"),
    crossed(
        [4, 5, 10, 15],
        [(0.0, 0.1), (0.1, 0.05), (0.1, 0.1), (0.2, 0.2)],
        fast=[
            *((4, (0.0, 0.1)), (4, (0.1, 0.1)), (5, (0.1, 0.05)), (5, (0.2, 0.2))),
            *((10, (0.0, 0.1)), (10, (0.2, 0.2)), (15, (0.1, 0.05)), (15, (0.1, 0.1))),
        ],
    ),
)
def test_interval_over_tasks_covers_the_mean_of_their_population(tasks, level):
    spread, noise = level
    held = coverage(
        lambda targets, rng: over_tasks_and_seeds(targets, rng=rng, resamples=1000),
        lambda gains: 0.1,
        studies=1000,
        tasks=tasks,
        spread=spread,
        noise=noise,
    )
    assert 0.93 <= held <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "noise"),
    crossed(
        [4, 5, 10, 20],
        [0.05, 0.1, 0.2],
        fast=[(4, 0.05), (4, 0.2), (5, 0.1), (10, 0.2), (20, 0.05), (20, 0.1)],
    ),
)
def test_interval_over_seeds_covers_the_mean_of_the_very_tasks(tasks, noise):
    held = coverage(
        lambda targets, rng: over_seeds(targets),
        lambda gains: gains.mean(),
        studies=1000,
        tasks=tasks,
        spread=0.1,
        noise=noise,
    )
    assert 0.93 <= held <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [5, 12])
@pytest.mark.parametrize(("luck", "most"), [(0.05, 1), (0.2, 0.985)])
def test_interval_over_meta_trainings_too_covers_the_mean_of_both_populations(tasks, luck, most):
    """``luck``: how far three meta-trainings lie apart; with little, the interval is too wide."""
    rng, held, noise = np.random.default_rng(0), [], (1, 0.1)
    for _ in range(1000):
        gains = rng.normal(0.1, 0.1, (tasks, 1)) + rng.normal(0, luck, 3)
        level = rng.uniform(0.3, 0.8, (tasks, 1))
        split = rng.normal(*noise, (tasks, 1, 5))
        own = rng.normal(*noise, (tasks, 3, 5))
        method = (level * (1 + gains))[..., None] * split * own
        baseline = level * split[:, 0] * rng.normal(*noise, (tasks, 5))
        each = 100 * (method.mean(2) / baseline.mean(1, keepdims=True) - 1).mean(0)
        pairs = zip(method.mean(1), baseline, strict=True)
        targets = [Target(tuple(above), tuple(below), True) for above, below in pairs]
        found = over_tasks_and_seeds(targets, rng=rng, resamples=1000).percent
        wide = over_trainings_too(found, float(each.mean()), tuple(each))
        held.append(wide.low <= 10 <= wide.high)
    assert 0.93 <= np.mean(held) <= most


def test_one_meta_training_leaves_the_interval_and_equal_ones_do_not_widen_it():
    given = Interval(-1.0, 4.0)
    assert over_trainings_too(given, 1.0, (1.0,)) == given
    alike = over_trainings_too(given, 1.0, (1.0, 1.0, 1.0))
    assert (alike.low, alike.high) == pytest.approx((-1.0, 4.0))
    assert over_trainings_too(UNKNOWN, 1.0, (0.0, 2.0)) == UNKNOWN


def test_meta_trainings_apart_widen_both_sides_by_students_t():
    reach = stats.t.ppf(0.975, 2) * stats.sem([0.0, 1.0, 2.0])
    wide = over_trainings_too(Interval(-1.0, 4.0), 1.0, (0.0, 1.0, 2.0))
    assert 1.0 - wide.low == pytest.approx(np.hypot(2.0, reach))
    assert wide.high - 1.0 == pytest.approx(np.hypot(3.0, reach))


@pytest.mark.slow
def test_skewed_gains_cost_little_coverage_where_students_t_loses_more():
    kind = {"studies": 1000, "tasks": 10, "spread": 0.3, "noise": 0.05, "skewed": True}

    def students(targets, rng):
        gains = np.array([target.gain for target in targets])
        reach = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
        return type(over_seeds(targets))(gains.mean() - reach, gains.mean() + reach)

    ours = coverage(
        lambda targets, rng: over_tasks_and_seeds(targets, rng=rng, resamples=1000),
        lambda gains: 0.1,
        **kind,
    )
    assert ours > coverage(students, lambda gains: 0.1, **kind)
    assert ours >= 0.90


def test_few_tasks_get_students_t_over_their_gains():
    targets, _ = draw(np.random.default_rng(1), tasks=4, spread=0.1, noise=0.1)
    gains = [target.gain for target in targets]
    wanted = stats.t.interval(0.95, 3, loc=np.mean(gains), scale=stats.sem(gains))
    found = over_tasks_and_seeds(targets, rng=np.random.default_rng(2))
    assert (found.low, found.high) == pytest.approx(wanted)


def test_many_tasks_with_symmetric_gains_nearly_get_students_t():
    targets, _ = draw(np.random.default_rng(1), tasks=40, spread=0.1, noise=0.02)
    gains = [target.gain for target in targets]
    wanted = stats.t.interval(0.95, 39, loc=np.mean(gains), scale=stats.sem(gains))
    found = over_tasks_and_seeds(targets, rng=np.random.default_rng(2))
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.15 * (wanted[1] - wanted[0]))


def test_one_unlike_task_pulls_the_interval_its_way():
    targets = [Target((0.5 + 0.001 * t,) * 5, (0.5,) * 5, True) for t in range(ENOUGH_TASKS)]
    found = over_tasks_and_seeds(
        [*targets, Target((1.0,) * 5, (0.5,) * 5, True)], rng=np.random.default_rng(0)
    )
    mean = np.mean([*(t.gain for t in targets), 1.0])
    assert found.high - mean > 2 * (mean - found.low)


def test_same_seeds_are_paired_and_other_seeds_are_not():
    rng = np.random.default_rng(3)
    split = rng.normal(0.5, 0.1, size=(12, 5))
    same = [Target(tuple(1.1 * row), tuple(row), True) for row in split]
    other = [Target(t.method, t.baseline, False) for t in same]
    paired, unpaired = over_seeds(same), over_seeds(other)
    assert isclose(paired.low, paired.high, abs_tol=1e-12)
    assert unpaired.high - unpaired.low > 0.03
    # no spread between tasks either: every resample of pairs gains exactly as much
    tight = over_tasks_and_seeds(same, rng=rng)
    assert tight.high - tight.low < 1e-9


def test_unequal_numbers_of_seeds():
    rng = np.random.default_rng(4)
    targets, _ = draw(rng, tasks=9, spread=0.1, noise=0.1)
    ragged = [Target(targets[0].method[:3], targets[0].baseline, False), *targets[1:]]
    whole, part = (over_tasks_and_seeds(t, rng=rng) for t in (targets, ragged))
    assert part.known
    assert part.low == pytest.approx(whole.low, abs=0.05)


def test_resampled_baseline_of_zero_does_not_poison_the_interval():
    targets, _ = draw(np.random.default_rng(5), tasks=9, spread=0.1, noise=0.1)
    rare = Target((0.0, 0.0, 0.0, 0.1, 0.2), (0.0, 0.0, 0.0, 0.0, 0.2), True)
    assert over_tasks_and_seeds([*targets, rare], rng=np.random.default_rng(0)).known
    assert over_seeds([*targets, rare]).known


def test_single_task_and_single_seed_cannot_say():
    lone = Target((0.6, 0.5), (0.5, 0.4), True)
    assert not over_tasks_and_seeds([lone], rng=np.random.default_rng(0)).known
    assert over_seeds([lone]).known
    assert not over_seeds([Target((0.6,), (0.5,), True)] * 9).known
    assert not over_seeds([]).known
