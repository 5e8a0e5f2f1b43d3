"""ARG against the paper's printed cells, the choice of a learning rate, and tables with holes."""

from __future__ import annotations

import csv
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from mpt.errors import ResultsError, UnknownName
from mpt.stats.intervals import ENOUGH_TASKS, over_trainings_too
from mpt.stats.scores import Missing, Score, best_dev, gains, relative_gain


def cell(method: str, task: str, seed: int, test: float, *, dev: float = 0.5, lr=None) -> Score:
    return Score("A->B", method, task, seed, dev, test, lr)


def study(tasks: int = 3, seeds: int = 5, spread: float = 0.0, noise: float = 0.02) -> list[Score]:
    rng, gain = np.random.default_rng(0), 0.1
    found = []
    for task in range(tasks):
        for seed in range(seeds):
            plain = 0.5 + noise * rng.normal()
            found.append(cell("PT", f"task{task}", seed, plain))
            found.append(cell("reptile", f"task{task}", seed, plain * (1 + gain + spread * task)))
    return found


def read(path: Path) -> list[Score]:
    with path.open() as file:
        return [
            Score(
                row.get("setting", "NP->P"),
                row["method"],
                row["task"],
                int(row["seed"]),
                float(row["dev"]),
                float(row["test"]),
                float(row["lr"]) if "lr" in row else None,
            )
            for row in csv.DictReader(file)
        ]


PAPER = {
    ("NP->P", "MAML"): 11.14,
    ("NP->P", "FoMAML"): -0.68,
    ("NP->P", "Reptile"): 20.44,
    ("NP->P", "MTL"): -5.19,
    ("NP->P", "Fine-tuning"): 1.56,
    ("QA->QA", "MAML"): -16.59,
    ("QA->QA", "FoMAML"): 16.63,
    ("QA->QA", "Reptile"): 0.77,
    ("QA->QA", "MTL"): 25.65,
    ("QA->QA", "Fine-tuning"): -47.37,
    ("Non-QA->QA", "FoMAML"): 9.83,
    ("Non-QA->QA", "Reptile"): -0.09,
    ("Non-QA->QA", "MTL"): 17.23,
    ("Non-QA->QA", "Fine-tuning"): -47.37,
}


def test_published_scores_give_the_papers_table(shared):
    found = gains(read(shared / "reference" / "published_results.csv"), resamples=100)
    assert {(g.setting, g.method): round(g.arg, 2) for g in found} == PAPER


def test_published_scores_at_several_rates_give_the_authors_choice(shared):
    found = gains(read(shared / "reference" / "published_results_by_lr.csv"), resamples=100)
    assert {g.method: round(g.arg, 2) for g in found} == {
        "MAML": 6.94,
        "FoMAML": -1.41,
        "Reptile": 4.15,
        "MTL": 15.41,
        "Fine-tuning": 11.01,
    }
    (maml,) = [g for g in found if g.method == "MAML"]
    assert maml.missing == (Missing("MAML", "paws", (42, 87)),)
    assert maml.warnings == ("NP->P: MAML on paws lacks seed 42, 87; its mean is over the others",)


def test_best_dev_wins_and_ties_go_to_the_larger_rate():
    low, high, better = (
        cell("PT", "a", 13, 0.1, dev=0.5, lr=0.2),
        cell("PT", "a", 13, 0.2, dev=0.5, lr=0.5),
        cell("PT", "a", 13, 0.0, dev=0.6, lr=0.3),
    )
    assert best_dev([low, high]) == best_dev([high, low]) == [high]
    assert best_dev([low, better, high]) == [better]


def test_arg_is_a_mean_of_ratios_not_a_ratio_of_means():
    scores = [
        cell("PT", "easy", 1, 0.8),
        cell("maml", "easy", 1, 0.8),
        cell("PT", "hard", 1, 0.1),
        cell("maml", "hard", 1, 0.2),
    ]
    (gain,) = gains(scores)
    assert gain.arg == pytest.approx(50)
    assert gain.per_task == pytest.approx({"easy": 0, "hard": 100})


def test_intervals_hold_the_arg_and_are_the_same_every_time():
    scores = study(tasks=ENOUGH_TASKS, spread=0.05)
    (gain,) = gains(scores)
    (again,) = gains(reversed(scores))
    assert gain.low < gain.arg < gain.high
    assert gain.interval == again.interval
    assert gain.arg == pytest.approx(10 + 5 * (ENOUGH_TASKS - 1) / 2)


def test_one_task_has_no_interval_over_tasks_and_one_seed_none_over_seeds():
    (one_task,) = gains(study(tasks=1))
    assert isnan(one_task.low)
    assert isnan(one_task.high)
    assert one_task.seed_interval.known
    (one_seed,) = gains(study(tasks=4, seeds=1))
    assert one_seed.interval.known
    assert not one_seed.seed_interval.known


def test_zero_baseline_is_an_error_that_names_it_or_is_reported():
    scores = [*study(), cell("PT", "void", 1, 0.0), cell("reptile", "void", 1, 0.3)]
    with pytest.raises(ResultsError, match=r"'A->B': the baseline 'PT' scores 0 or less on void"):
        gains(scores)
    (gain,) = gains(scores, zero_baseline="report")
    assert gain.zero_baseline == ("void",)
    assert gain.arg == pytest.approx(10)
    assert "void" not in gain.per_task
    assert gain.warnings == ("A->B: PT is not above zero on void; reptile's ARG leaves it out",)


def test_no_target_with_a_gain_is_an_arg_that_cannot_be_said():
    scores = [cell("PT", "void", 1, 0.0), cell("reptile", "void", 1, 0.3)]
    (gain,) = gains(scores, zero_baseline="report")
    assert isnan(gain.arg)
    assert not gain.interval.known


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("reptile", r"'reptile' has no scores on task1, which 'PT' has"),
        ("PT", r"'PT' has no scores on task1, which 'reptile' has"),
    ],
)
def test_missing_task_is_an_error_that_names_it_or_is_reported(lost, message):
    scores = [s for s in study() if (s.method, s.task) != (lost, "task1")]
    with pytest.raises(ResultsError, match=message):
        gains(scores)
    (gain,) = gains(scores, missing_task="report")
    assert set(gain.per_task) == {"task0", "task2"}
    assert set(gain.tasks) == {"task0", "task1", "task2"}
    assert gain.missing == (Missing(lost, "task1", (0, 1, 2, 3, 4)),)
    assert f"{lost} has no score on task1" in gain.warnings[0]


def test_missing_seeds_are_listed_and_means_are_over_what_is_there():
    scores = [s for s in study() if (s.method, s.task, s.seed) != ("PT", "task0", 3)]
    (gain,) = gains(scores)
    assert gain.missing == (Missing("PT", "task0", (3,)),)
    assert "PT on task0 lacks seed 3" in gain.warnings[0]


def test_unknown_baseline_gets_its_near_miss():
    with pytest.raises(UnknownName, match=r"'PTT' - did you mean 'PT'\?.*--baseline"):
        gains(study(), baseline="PTT")


def test_setting_without_the_baseline_is_named():
    other = Score("C->D", "reptile", "task0", 1, 0.5, 0.5)
    with pytest.raises(ResultsError, match=r"setting 'C->D' has no scores of the baseline 'PT'"):
        gains([*study(), other])


def test_no_scores_no_arg():
    with pytest.raises(ResultsError, match="no scores"):
        gains([])


def test_scores_are_finite():
    with pytest.raises(ResultsError, match=r"reptile on a, seed 1, has a test score of nan"):
        cell("reptile", "a", 1, nan)


def test_relative_gain_is_in_percent_and_needs_a_baseline_above_zero():
    assert relative_gain(0.6, 0.5) == pytest.approx(20)
    for nothing in (0.0, -0.1, nan):
        with pytest.raises(ResultsError, match="above zero"):
            relative_gain(0.6, nothing)


def repeated(method: str, tests: dict[int, float], meta_seed: int) -> list[Score]:
    """A method's scores on one task by data seed, from one meta-training."""
    return [
        Score("A->B", method, "t", seed, 0.5, test, 0.3, meta_seed) for seed, test in tests.items()
    ]


def test_meta_trainings_count_by_the_mean_of_their_scores_and_each_has_its_own_arg():
    plain = repeated("PT", {13: 0.4, 21: 0.6}, 0)
    first = repeated("maml", {13: 0.5, 21: 0.7}, 0)
    second = repeated("maml", {13: 0.4, 21: 0.5}, 1)
    (one,) = gains([*plain, *first])
    assert one.by_meta_seed == {}
    (both,) = gains([*plain, *first, *second])
    assert both.by_meta_seed == pytest.approx({0: 20.0, 1: -10.0})
    assert both.arg == pytest.approx(5.0)
    assert both.seeds == (13, 21)
    # pairs of means by data seed have the interval of one method with those very scores; how far
    # meta-trainings lie apart widens it
    (same,) = gains([*plain, *repeated("maml", {13: 0.45, 21: 0.6}, 0)])
    wide = over_trainings_too(same.seed_interval, 5.0, (20.0, -10.0))
    found = both.seed_interval
    assert (found.low, found.high) == pytest.approx((wide.low, wide.high))
    assert wide.low < same.seed_interval.low


def test_each_meta_training_chooses_its_own_rate():
    rows = [
        Score("A->B", "maml", "t", 13, dev, test, lr, meta_seed)
        for meta_seed, lr, dev, test in (
            (0, 0.5, 0.9, 0.1), (0, 0.2, 0.1, 0.2), (1, 0.5, 0.1, 0.3), (1, 0.2, 0.9, 0.4),
        )
    ]  # fmt: skip
    assert [score.test for score in best_dev(rows)] == [0.1, 0.4]
