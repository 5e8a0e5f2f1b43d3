"""The paired comparison of two methods: level and coverage by simulation, and its arithmetic."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from scipy import stats

from mpt.errors import UnknownName
from mpt.stats.paired import compare, holm
from mpt.stats.scores import Score, gains


def table(**tests: dict[tuple[str, int], float]) -> list[Score]:
    """Scores of methods by (task, seed), all in one setting."""
    return [
        Score("R->R", method, task, seed, 0.5, test, 0.3)
        for method, cells in tests.items()
        for (task, seed), test in cells.items()
    ]


def study(rng, *, tasks: int, seeds: int, spread: float = 0.0, true: float = 0.0) -> list[Score]:
    """PT at 0.5 and two methods whose true difference has mean ``true``, with noise by task."""
    noise = rng.uniform(0.02, 0.08, tasks)
    shift = true + spread * rng.normal(size=tasks)
    split = 0.05 * rng.normal(size=(tasks, seeds))  # a few-shot split is easy for both or neither
    level = 0.5 + split
    a = level + shift[:, None] + noise[:, None] * rng.normal(size=level.shape)
    b = level + noise[:, None] * rng.normal(size=level.shape)
    grid = [(t, s) for t in range(tasks) for s in range(seeds)]
    return table(
        PT={(f"t{t}", s): 0.5 for t, s in grid},
        a={(f"t{t}", s): a[t, s] for t, s in grid},
        b={(f"t{t}", s): b[t, s] for t, s in grid},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("tasks", "seeds"), [(5, 3), (5, 5), (12, 5)])
@pytest.mark.parametrize(("among", "spread"), [("seeds", 0.0), ("tasks", 0.0), ("tasks", 0.05)])
def test_the_level_is_held_and_the_interval_covers(tasks, seeds, among, spread):
    rng = np.random.default_rng(0)
    studies, refused, held = 1000, 0, 0
    for _ in range(studies):
        found = compare(study(rng, tasks=tasks, seeds=seeds, spread=spread), "a", "b", among=among)
        refused += found.distinct
        held += found.interval.low <= 0 <= found.interval.high
        assert found.distinct == (not found.interval.low <= 0 <= found.interval.high)
    assert 0.03 <= refused / studies <= 0.07
    assert held == studies - refused


@pytest.mark.slow
def test_a_true_difference_is_found_more_often_than_without_pairing():
    rng = np.random.default_rng(1)
    paired = unpaired = 0
    for _ in range(300):
        scores = study(rng, tasks=5, seeds=5, true=0.03)
        paired += compare(scores, "a", "b").distinct
        sides = [[s.test for s in scores if s.method == name] for name in "ab"]
        unpaired += stats.ttest_ind(*sides).pvalue < 0.05
    assert paired > 1.3 * unpaired


def test_over_tasks_is_students_t_of_the_task_means():
    scores = study(np.random.default_rng(2), tasks=6, seeds=3, spread=0.05)
    found = compare(scores, "a", "b", among="tasks")
    cell = {(s.method, s.task, s.seed): s.test for s in scores}
    means = [
        100 * np.mean([cell["a", f"t{t}", s] - cell["b", f"t{t}", s] for s in range(3)]) / 0.5
        for t in range(6)
    ]
    assert found.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert found.difference == pytest.approx(np.mean(means))
    assert (found.tasks, found.pairs) == (6, 18)


def test_one_task_over_seeds_is_the_paired_t_test():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.6, 0.1, 5), rng.normal(0.5, 0.1, 5)
    cells = {name: {("t", s): v[s] for s in range(5)} for name, v in (("a", a), ("b", b))}
    found = compare(table(PT={("t", 0): 1.0}, **cells), "a", "b")
    test = stats.ttest_rel(100 * a, 100 * b)
    ends = test.confidence_interval(0.95)
    assert found.p == pytest.approx(test.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high))


def test_the_difference_is_that_of_the_two_args():
    scores = study(np.random.default_rng(4), tasks=4, seeds=3, spread=0.1)
    arg = {gain.method: gain.arg for gain in gains(scores)}
    assert compare(scores, "a", "b").difference == pytest.approx(arg["a"] - arg["b"])
    assert compare(scores, "a", "PT").difference == pytest.approx(arg["a"])


def test_only_shared_cells_count_and_tasks_without_a_baseline_are_left_out():
    scores = table(
        PT={("t", 0): 0.5, ("u", 0): 0.0, ("v", 0): 0.5},
        a={("t", 0): 0.6, ("t", 1): 0.9, ("u", 0): 0.9, ("v", 0): 0.6},
        b={("t", 0): 0.5, ("u", 0): 0.1, ("v", 1): 0.5},
    )
    found = compare(scores, "a", "b")
    assert (found.tasks, found.pairs) == (1, 1)
    assert found.difference == pytest.approx(20)
    assert isnan(found.p)
    assert not found.interval.known
    assert not found.distinct


def test_equal_scores_are_not_distinct_and_nothing_shared_cannot_say():
    same = {("t", 0): 0.5, ("t", 1): 0.6, ("u", 0): 0.4, ("u", 1): 0.4}
    for among in ("seeds", "tasks"):
        found = compare(table(PT=same, a=same, b=same), "a", "b", among=among)
        assert (found.difference, found.p, found.distinct) == (0, 1, False)
    apart = compare(table(PT=same, a={("t", 0): 0.5}, b={("u", 0): 0.5}), "a", "b")
    assert isnan(apart.difference)
    assert not apart.distinct


def test_a_method_without_scores_is_named_with_its_near_misses():
    with pytest.raises(UnknownName, match="unknown method 'mamk' - did you mean 'maml'"):
        compare(table(PT={("t", 0): 0.5}, maml={("t", 0): 0.5}), "mamk", "maml")


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    found = holm([float("nan"), 0.02])
    assert isnan(found[0])
    assert found[1] == 0.02


def test_holm_keeps_the_chance_of_any_false_alarm():
    rng = np.random.default_rng(2)
    # p values of six true null hypotheses that share data, as pairs of methods share theirs
    draws = rng.normal(size=(2000, 1)) * 0.7 + rng.normal(size=(2000, 6)) * 0.7
    ps = 2 * stats.norm.sf(np.abs(draws) / np.hypot(0.7, 0.7))
    assert np.mean([min(holm(list(row))) < 0.05 for row in ps]) <= 0.06
    assert np.mean(ps.min(axis=1) < 0.05) > 0.15
