"""Split rules and few-shot draws against the plain program on lists of lines."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_rows import HeldRows

from mpt.errors import DataError
from mpt.gym.build import sampling
from mpt.gym.build.catalogue import read_card
from mpt.gym.build.sampling import Lines, read_parts, sample, shuffled, split_of_tests
from mpt.gym.splits import SEEDS

LINES = [(f"text {number}", "abc"[number % 3]) for number in range(53)]


OPEN: list[Lines] = []


def lines_of(split: str) -> Lines:
    OPEN.append(Lines([(f"{split} {text}", target) for text, target in LINES], split))
    return OPEN[-1]


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPEN:
        OPEN.pop().close()


def parts_of(splits: dict, kind: str = "text_to_text"):
    made = {"family": "f", "subfamily": "s", "kind": kind, "shots": 4, "metric": "ACC"}
    text = {"input": "{a}", "target": {"form": "text", "template": "{b}"}}
    source = {"dataset": "d", "columns": ["a", "b"]}
    card = read_card("t", {**made, **text, "source": source, "splits": splits})
    return card, read_parts(card, lines_of)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [0, 1, 2, 17, 1000])
def test_numbers_are_shuffled_like_a_list_of_lines(seed, size):
    lines = [f"line {number}" for number in range(size)]
    order = shuffled(range(size), seed)
    np.random.RandomState(seed).shuffle(lines)
    assert [f"line {number}" for number in order] == lines


def test_two_splits_are_whole_and_in_order():
    card, parts = parts_of({"rule": "two_splits", "pool": "train", "test": "dev"})
    assert list(parts.pool) == list(parts.test) == list(range(53))
    assert next(iter(parts.test_lines.content([3]))) == b"dev text 3\ta\n"
    assert split_of_tests(card) == "dev"


def test_a_cut_test_set_is_shuffled_and_truncated():
    rule = {"rule": "two_splits_cut_test", "pool": "train", "test": "dev", "seed": 42}
    _, parts = parts_of({**rule, "test_fraction": 0.1})
    assert list(parts.test) == shuffled(range(53), 42)[:5].tolist()
    assert list(parts.pool) == list(range(53))


def test_one_split_is_cut_by_a_truncated_double():
    rule = {"rule": "one_split", "from": "train", "seed": 42, "pool_fraction": 0.8}
    card, parts = parts_of({**rule, "test_start_fraction": 0.99})
    order = shuffled(range(53), 42).tolist()
    assert list(parts.pool) == order[:42]
    assert list(parts.test) == order[52:]
    assert split_of_tests(card) == "train"


def test_one_split_counts():
    rule = {"rule": "one_split_counts", "from": "train", "seed": 42}
    _, parts = parts_of({**rule, "pool": [0, 10], "test": [10, 90]})
    order = shuffled(range(53), 42).tolist()
    assert (list(parts.pool), list(parts.test)) == (order[:10], order[10:])


@pytest.mark.parametrize("shots", [1, 4, 10, 100])
def test_draws_are_those_of_the_plain_program(shots):
    _, parts = parts_of({"rule": "two_splits", "pool": "train", "test": "dev"})
    for seed in SEEDS:
        order = list(range(53))
        np.random.RandomState(seed).shuffle(order)
        plain = (order[:shots], order[shots : 2 * shots])
        assert sample(parts, "text_to_text", shots, seed) == plain
        groups: dict[str, list[int]] = {}
        for number in order:
            groups.setdefault(LINES[number][1], []).append(number)
        train = [number for group in groups.values() for number in group[:shots]]
        dev = [number for group in groups.values() for number in group[shots : 2 * shots]]
        assert sample(parts, "classification", shots, seed) == (train, dev)


def test_all_shots_halve_every_class():
    _, parts = parts_of({"rule": "two_splits", "pool": "train", "test": "dev"})
    train, dev = sample(parts, "classification", "all", 13)
    assert sorted(train + dev) == list(range(53))
    assert [sum(LINES[at][1] == label for at in train) for label in "abc"] == [9, 9, 9]
    assert len(sample(parts, "text_to_text", "all", 13)[0]) == 27


def test_lines_in_a_temporary_file_are_the_same(monkeypatch, tmp_path):
    held = lines_of("train")
    monkeypatch.setattr(sampling, "IN_MEMORY", 64)
    spilt = Lines([(f"train {text}", target) for text, target in LINES], "train", str(tmp_path))
    order = shuffled(range(53), 13)
    assert list(spilt.content(order)) == list(held.content(order))
    assert (len(spilt), spilt.label(4) == spilt.label(7)) == (53, True)
    assert list(tmp_path.iterdir()) == []
    spilt.close()


def test_text_that_utf8_cannot_hold_is_named():
    with pytest.raises(DataError, match="train, line 1: surrogates not allowed; correct that row"):
        Lines([("a", "b"), ("\ud800", "b")], "train")


def test_a_missing_test_split_is_named():
    card, _ = parts_of({"rule": "two_splits", "pool": "train", "test": "dev"})
    source = HeldRows({})
    with pytest.raises(DataError, match=r"t: the source has no split 'dev' of d/default"):
        read_parts(
            card, lambda split: None if not source.holds(card.source, split) else lines_of(split)
        )
