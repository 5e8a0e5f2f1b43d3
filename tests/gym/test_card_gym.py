"""CrossFit's gym by its cards: as many rows as its tasks have, without any of them."""

from __future__ import annotations

import pytest

from mpt.errors import DataError, UnknownName
from mpt.gym.build.catalogue import cards
from mpt.gym.card_gym import CardGym
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.metrics import METRICS

GYM = CardGym("data/gym")


def test_it_has_the_tasks_and_settings_of_crossfit():
    assert GYM.tasks == tuple(sorted(cards()))
    assert GYM.partitions == crossfit_partitions()
    assert (GYM.name, GYM.card("glue-sst2").shots) == ("data/gym", 16)
    with pytest.raises(UnknownName, match="glue-sst2"):
        GYM.card("glue-sst")


def test_every_task_has_rows_of_every_part():
    for task in GYM.tasks:
        split = GYM.split(task, 13)
        assert split.metric in METRICS
        assert min(len(split.train), len(split.dev), len(split.test)) > 0, task


@pytest.mark.parametrize(
    ("task", "sizes"),
    [
        ("glue-sst2", (32, 32, 872)),  # two classes of 16, the validation set
        ("acronym_identification", (32, 32, 1717)),
        ("ag_news", (64, 64, 7600)),
    ],
)
def test_sizes_are_those_of_the_cards(task, sizes):
    split = GYM.split(task, 21)
    assert (len(split.train), len(split.dev), len(split.test)) == sizes


def test_shots_are_taken_as_given():
    assert len(GYM.split("glue-sst2", 13, 64).train) == 128
    every = GYM.split("glue-sst2", 13, "all")
    assert len(every.train) == cards()["glue-sst2"].source.rows["train"]
    with pytest.raises(DataError, match="seed 7"):
        GYM.split("glue-sst2", 7)
