"""Racing: its rounds, who leaves, and that its error rate holds however many rounds it has."""

from __future__ import annotations

import numpy as np
import pytest
from gain_tables import gain_table as table

from mpt.stats.racing import beaten, schedule

TASKS = 5


def test_the_looks_of_a_race_grow_and_share_the_error():
    assert [one.seeds for one in schedule(2, 5)] == [2, 3, 4, 5]
    assert [one.seeds for one in schedule(1, 5)] == [2, 3, 4, 5]
    assert [one.seeds for one in schedule(2, 20)] == [2, 3, 4, 6, 9, 13, 19, 20]
    assert [one.seeds for one in schedule(5, 5)] == [5]
    assert schedule(1, 1) == ()
    planned = schedule(2, 5)
    assert [one.alpha for one in planned] == pytest.approx([0.05 * n / 14 for n in (2, 3, 4, 5)])


def test_a_trial_leaves_with_the_one_that_it_is_most_below():
    gains = np.random.default_rng(0).normal(size=(3, TASKS, 4))
    gains[1] += 10
    gains[0] -= 10
    assert beaten(table(gains), 3, 0.05) == {"1": "2", "3": "2"}
    assert beaten(table(gains[:1]), 3, 0.05) == {}


def noise(rng, kind, trials, seeds):
    """Noise ``[T, K, S]`` of equally good trials, with a part that all of them share."""
    own = rng.normal(size=(trials, TASKS, seeds))
    scale = {
        "tasks": np.array([8, 2, 1, 0.5, 0.5])[None, :, None],
        "one task": np.array([1, 0, 0, 0, 0])[None, :, None],
        "trials": np.geomspace(3, 0.3, trials)[:, None, None],
    }
    own = own * scale.get(kind, 1)
    if kind == "ties":
        own = np.round(own)
    if kind == "rare":
        own = np.where(rng.random(own.shape) < 0.15, np.round(3 * own), 0)
    if kind == "skewed":
        own = -rng.exponential(size=own.shape)
    return own + 3 * rng.normal(size=(1, TASKS, seeds))


def raced(gains, first):
    """Race trials with gains ``[T, K, S]``: those left."""
    left = list(range(len(gains)))
    for one in schedule(first, gains.shape[2]):
        out = beaten(table(gains[left][:, :, : one.seeds]), len(gains), one.alpha)
        left = [trial for place, trial in enumerate(left) if str(place + 1) not in out]
        if len(left) == 1:
            break
    return left


def wrong_winner(rng, kind, trials, first, last):
    """Two trials are equally good, and all others far below: neither may win."""
    gains = noise(rng, kind, trials, last)
    gains[2:] -= 100
    return len(raced(gains, first)) == 1


def best_lost(rng, kind, trials, first, last):
    """All trials are equally good: the first one may not be lost."""
    return 0 not in raced(noise(rng, kind, trials, last), first)


def rate(event, studies, *race):
    rng = np.random.default_rng(7)
    return np.mean([event(rng, *race) for _ in range(studies)])


@pytest.mark.parametrize("event", [wrong_winner, best_lost])
def test_the_error_rate_holds(event):
    # 95 % of such means of 250 are below 0.073 where the rate is 0.05
    assert rate(event, 250, "plain", 6, 2, 5) < 0.073


KINDS = ("plain", "tasks", "one task", "trials", "ties", "rare", "skewed")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trials", [2, 8])
@pytest.mark.parametrize("last", [5, 20])
def test_the_error_rate_holds_for_every_kind_of_noise(kind, trials, last):
    # two standard errors of a mean of 500
    assert rate(wrong_winner, 500, kind, trials, 2, last) < 0.05 + 0.0195
    assert rate(best_lost, 500, kind, trials, 2, last) < 0.05 + 0.0195


def test_the_better_trial_wins():
    rng = np.random.default_rng(3)
    wins = []
    for _ in range(60):
        gains = noise(rng, "plain", 6, 5)
        gains[4] += 2
        wins.append(raced(gains, 2) == [4])
    assert np.mean(wins) > 0.9


def test_it_never_ends_with_none():
    rng = np.random.default_rng(4)
    for _ in range(50):
        gains = noise(rng, "plain", 4, 5) + 30 * rng.normal(size=(4, 1, 1))
        assert raced(gains, 2)
