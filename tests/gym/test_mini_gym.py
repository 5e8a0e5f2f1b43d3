"""The embedded gym: the same everywhere, split without overlap, out of pretraining's reach."""

from __future__ import annotations

from collections import Counter

import pytest

from mpt.errors import DataError, UnknownName
from mpt.gym.metrics import METRICS
from mpt.gym.mini import MiniGym
from mpt.gym.mini.lexicon import words
from mpt.gym.mini.tasks import TASKS, TEST
from mpt.gym.splits import SEEDS

FAMILIES = {"classification", "qa", "conditional_generation", "other"}


@pytest.fixture(scope="module")
def gym() -> MiniGym:
    return MiniGym()


def test_its_tasks_are_of_four_families(gym: MiniGym) -> None:
    cards = [gym.card(task) for task in gym.tasks]
    assert len(cards) >= 48
    assert {card.family for card in cards} == FAMILIES
    assert all(card.metric in METRICS for card in cards)


@pytest.mark.parametrize("task", TASKS)
def test_splits_share_no_text(gym: MiniGym, task: str) -> None:
    test = gym.split(task, SEEDS[0]).test
    for seed in SEEDS:
        split = gym.split(task, seed)
        train, dev, held = ([e.input for e in part] for part in (split.train, split.dev, test))
        assert split.test == test
        assert len({*train, *dev, *held}) == len(train) + len(dev) + len(held)


@pytest.mark.parametrize("task", TASKS)
def test_sizes_and_balance(gym: MiniGym, task: str) -> None:
    card, split = gym.card(task), gym.split(task, 21)
    assert TEST - 8 < len(split.test) <= TEST
    for part in (split.train, split.dev):
        found = Counter(example.targets for example in part)
        if card.kind == "classification":
            assert set(found.values()) == {card.shots}
            assert set(found) == {(word,) for word in TASKS[task].labels.values()}
        else:
            assert len(part) == card.shots


def test_more_shots_are_other_rows_beside_the_same_test_set(gym: MiniGym) -> None:
    split = gym.split("letter-emotion", 21, 40)
    for part in (split.train, split.dev):
        assert set(Counter(example.targets for example in part).values()) == {40}
    texts = {example.input for part in (split.train, split.dev) for example in part}
    assert len(texts) == 2 * 4 * 40
    assert split.test == gym.split("letter-emotion", 21).test
    assert split.digest != gym.split("letter-emotion", 21).digest
    assert len(gym.split("last-words", 21, 50).train) == 50


def test_shots_that_a_task_does_not_have_are_refused(gym: MiniGym) -> None:
    with pytest.raises(DataError, match=r"'noun-plural' has about \d+ different texts, train"):
        gym.split("noun-plural", 13, 2000)
    with pytest.raises(DataError, match="'forum-topic' has no 'all'; give a number of shots"):
        gym.split("forum-topic", 13, "all")


@pytest.mark.slow
def test_a_second_gym_writes_the_same_rows() -> None:
    from mpt.gym.mini import gym as module

    before = [MiniGym().split(task, 42).digest for task in TASKS]
    module._split.cache_clear()
    module._test.cache_clear()
    assert [MiniGym().split(task, 42).digest for task in TASKS] == before


def test_seeds_draw_different_rows(gym: MiniGym) -> None:
    trains = {gym.split("forum-topic", seed).train for seed in SEEDS}
    assert len(trains) == len(SEEDS)


def test_unknown_task_is_told_its_neighbours(gym: MiniGym) -> None:
    with pytest.raises(UnknownName, match="did you mean 'forum-topic'"):
        gym.split("forum-topc", 13)


def test_unknown_seed_is_told_the_five(gym: MiniGym) -> None:
    with pytest.raises(DataError, match="no split for seed 7; the data seeds are 13, 21, 42, 87"):
        gym.split("forum-topic", 7)


def test_further_seeds_draw_further_rows_beside_the_same_test_set(gym: MiniGym) -> None:
    splits = [gym.split("forum-topic", seed) for seed in (*SEEDS, *gym.further_seeds)]
    assert len({split.train for split in splits}) == len(splits) == 20
    assert len({split.test for split in splits}) == 1


def test_targets_are_new_in_words(gym: MiniGym) -> None:
    """Names, places and things of target tasks occur in no row of a source or validation task."""
    content: dict[str, set[str]] = {"target": set(), "other": set()}
    for name, task in TASKS.items():
        side = content["target" if task.role == "target" else "other"]
        for example in gym.split(name, 13).test:
            side.update(example.input.split())
    for kind in ("names", "cities", "rooms", "professions", "animal", "food", "plant", "clothing"):
        seen = {side: set(words(kind)) & spoken for side, spoken in content.items()}
        assert min(map(len, seen.values())) > 3
        assert not seen["target"] & seen["other"], kind
