"""Which rows of a test set are scored."""

from __future__ import annotations

from dataclasses import replace

from mpt.gym.splits import Example, FewShotSplit

ROWS = tuple(Example(f"question {i}", ("yes",)) for i in range(100))
SPLIT = FewShotSplit("film", "ACC", 13, ROWS[:2], ROWS[2:4], ROWS)


def test_a_bound_on_test_rows_is_drawn_for_the_task_whatever_the_data_seed():
    places = SPLIT.test_places(10)
    # recorded scores depend on this draw: it is the same in every version
    assert places == [0, 10, 13, 21, 44, 52, 53, 86, 92, 98]
    assert replace(SPLIT, seed=87, train=ROWS[5:9]).test_places(10) == places
    assert replace(SPLIT, task="book").test_places(10) != places
    assert set(places) < set(SPLIT.test_places(20))


def test_a_bound_beyond_the_test_set_and_no_bound_score_it_whole():
    every = list(range(100))
    assert SPLIT.test_places() == SPLIT.test_places(100) == SPLIT.test_places(256) == every
