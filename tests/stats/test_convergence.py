"""Races to the baseline's best dev score, by hand, with those that were never won."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpt.stats.convergence import DevCurve, Pace, baseline_pace, paces

STEPS = (10, 20, 30, 40)


def looks(method: str, task: str, *devs: float, seed: int = 13, setting: str = "A->B") -> DevCurve:
    return DevCurve(setting=setting, method=method, task=task, seed=seed, steps=STEPS, devs=devs)


def pace(*cells: DevCurve) -> Pace:
    (found,) = paces(cells)
    return found


def test_the_goal_is_the_baselines_best_and_its_first_look_counts():
    found = pace(
        looks("PT", "a", 0.2, 0.5, 0.7, 0.7),
        looks("maml", "a", 0.7, 0.6, 0.9, 0.9),
    )
    (race,) = found.races
    assert (race.goal, race.baseline_step, race.step, race.budget) == (0.7, 30, 10, 40)
    assert found.speedup == (3, 3)
    assert (found.reached, found.sooner) == (1, 1)


def test_a_race_that_is_never_won_only_bounds_the_speedup():
    found = pace(looks("PT", "a", 0, 0.5, 0, 0), looks("maml", "a", 0, 0.4, 0.4, 0.4))
    assert found.races[0].step is None
    assert found.speedup == (0, 0.5)
    assert (found.reached, found.sooner) == (0, 0)


def test_censored_races_at_the_side_leave_the_median_exact():
    plain = [looks("PT", task, 0, 0, 0.5, 0.5) for task in "abcde"]
    fast = [looks("maml", task, 0.6, 0.6, 0.6, 0.6) for task in "abc"]
    never = [looks("maml", task, 0, 0, 0, 0) for task in "de"]
    assert pace(*plain, *fast, *never).speedup == (3, 3)
    assert pace(*plain, *fast[:2], *never).speedup == (1.5, 1.875)  # 0, 0, 3, 3 to .75, .75, 3, 3
    assert pace(*plain, *fast[:1], *never).speedup == (0, 0.75)


def test_shares_count_censored_races_among_all():
    found = pace(
        looks("PT", "a", 0, 0, 0, 1),
        looks("PT", "b", 0, 0, 0, 1),
        looks("maml", "a", 0, 1, 1, 1),
        looks("maml", "b", 0, 0, 0, 0),
    )
    assert found.share(STEPS) == [0, 0.5, 0.5, 0.5]


def test_the_baseline_always_reaches_its_own_best():
    cells = [looks("PT", "a", 0, 1, 1, 1), looks("PT", "b", 0.1, 0, 0.2, 0.1)]
    assert baseline_pace(cells, "A->B").share(STEPS) == [0, 0.5, 1, 1]


def test_cells_without_a_rival_or_a_goal_are_no_races():
    cells = [
        looks("PT", "a", 0, 0.5, 0.5, 0.5),
        looks("PT", "zero", 0, 0, 0, 0),
        looks("maml", "a", 0.5, 0.5, 0.5, 0.5),
        looks("maml", "zero", 0.5, 0.5, 0.5, 0.5),
        looks("maml", "unknown", 0.5, 0.5, 0.5, 0.5),
        looks("maml", "a", 0.5, 0.5, 0.5, 0.5, seed=21),
        looks("maml", "a", 0.5, 0.5, 0.5, 0.5, setting="B->C"),
    ]
    assert [(r.task, r.seed) for r in pace(*cells).races] == [("a", 13)]
    assert paces(cells[:2]) == []


def test_settings_and_methods_keep_their_order():
    cells = [
        looks(m, "a", 0.1, 0.2, 0.3, 0.4, setting=s)
        for s in ("B->B", "A->A")
        for m in ("PT", "x", "b")
    ]
    order = [(one.setting, one.method) for one in paces(cells)]
    assert order == [("B->B", "x"), ("B->B", "b"), ("A->A", "x"), ("A->A", "b")]
    assert all(one.speedup == pytest.approx((1, 1)) for one in paces(cells))


def test_several_meta_trainings_race_each_on_its_own():
    cells = [looks("PT", "a", 0, 0.5, 0.5, 0.5)]
    cells += [replace(looks("maml", "a", 0, 0, dev, dev), meta_seed=dev) for dev in (0, 1)]
    assert [race.step for race in pace(*cells).races] == [None, 30]
