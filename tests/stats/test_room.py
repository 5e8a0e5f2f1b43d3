"""Room in numbers: means, thresholds, counts, and whether a curve had flattened."""

from __future__ import annotations

from math import isnan, nan

import pytest

from mpt.stats.room import RoomCount, TaskRoom, room_counts, still_rising


def task(name="t", role="target", oracle=0.9, few=(0.4, 0.6), chance=0.25):
    """A task's room; the rest of it does not matter here."""
    return TaskRoom(
        task=name,
        role=role,
        metric="ACC",
        rows=2000,
        dev_rows=256,
        oracle=oracle,
        oracle_lr=0.5,
        oracle_digest="0123456789ab",
        rising=False,
        few_shot=few,
        chance=chance,
        majority=0.25,
    )


def test_room_is_the_oracle_minus_the_mean_over_seeds():
    assert task().few_shot_mean == pytest.approx(0.5)
    assert task().room == pytest.approx(0.4)
    assert task(oracle=0.3).room == pytest.approx(-0.2)


def test_without_a_score_there_is_no_room():
    for lost in (task(few=()), task(oracle=nan)):
        assert isnan(lost.room)
        assert not lost.has_room
    assert not task(oracle=nan).is_solvable
    assert not task(few=()).is_in_between


@pytest.mark.parametrize(
    ("oracle", "few", "told"),
    [
        (0.85, 0.70, (True, True, True)),
        (0.84, 0.70, (False, False, True)),
        (0.95, 0.86, (True, False, False)),
        (0.95, 0.29, (True, True, False)),
        (0.95, 0.30, (True, True, True)),
    ],
)
def test_thresholds(oracle, few, told):
    one = task(oracle=oracle, few=(few,))
    assert (one.is_solvable, one.has_room, one.is_in_between) == told


def test_counts_are_of_all_tasks_and_of_each_role():
    rooms = [
        task("a"),
        task("b", few=(0.9,)),
        task("c", "validation", oracle=0.5),
        task("d", "", oracle=0.8),
    ]
    assert room_counts(rooms) == [
        RoomCount("all", tasks=4, solvable=2, with_room=2, in_between=3),
        RoomCount("validation", tasks=1, solvable=0, with_room=0, in_between=1),
        RoomCount("target", tasks=2, solvable=2, with_room=1, in_between=1),
    ]
    assert [count.of for count in room_counts(rooms[:2])] == ["all"]


def test_a_curve_that_gains_in_its_last_quarter_was_still_rising():
    flat = [(100, 0.2), (200, 0.8), (300, 0.9), (400, 0.91)]
    assert not still_rising(flat)
    assert still_rising([*flat[:3], (400, 0.95)])
    # what it lost before and found again is no rise
    assert not still_rising([(100, 0.9), (200, 0.5), (300, 0.5), (400, 0.9)])
    assert not still_rising([(400, 0.9)])
