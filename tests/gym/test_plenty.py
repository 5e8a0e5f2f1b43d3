"""Plenty of rows: as many as wanted, or what there is; a task without more is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import pytest

from mpt.errors import ConfigError, DataError
from mpt.gym.plenty import plenty
from mpt.gym.source import Gym, open_gym
from mpt.gym.splits import Example, FewShotSplit, TaskCard


@dataclass
class Texts:
    """A gym like the embedded one, of one task with so many texts of each class."""

    each: int
    labels: tuple[str, ...] = ("a", "b", "c")
    kind: Literal["classification", "text_to_text"] = "classification"
    name: str = "mini"

    def card(self, task: str) -> TaskCard:
        return TaskCard(task, "classification", "topic", self.kind, 16, "ACC")

    def split(self, task, seed, shots=None) -> FewShotSplit:
        shots = shots or 16
        if self.name != "mini" and shots == "all":
            shots = self.each // 2
        if 2 * shots > self.each:
            raise DataError("too few texts", fix="give fewer shots")
        rows = tuple(
            Example(f"{label} {n}", (label,)) for n in range(shots) for label in self.labels
        )
        return FewShotSplit(task, "ACC", seed, rows, rows, rows)


def shots(gym, rows=2000, few=None):
    return plenty(cast(Gym, gym), "task", 13, rows, few)


def test_rows_are_a_total_over_the_classes():
    assert shots(Texts(5000)) == 666
    assert shots(Texts(5000, labels=("a",), kind="text_to_text")) == 2000
    assert shots(Texts(5000), rows=300) == 100


@pytest.mark.parametrize("each", [40, 100, 500, 1300])
def test_a_task_whose_texts_run_out_gives_what_it_can(each):
    most = each // 2
    assert most - most // 8 - 1 <= shots(Texts(each)) <= most


def test_a_folder_gives_all():
    assert shots(Texts(400, name="folder")) == "all"


def test_a_task_without_more_rows_says_so():
    with pytest.raises(DataError) as refused:
        shots(Texts(32))
    assert "'task' has 48 training rows in all, and its few-shot training set has 48" in str(
        refused.value
    )
    assert "leave it out with --tasks" in str(refused.value)
    with pytest.raises(DataError, match="has 600 training rows in all"):
        shots(Texts(400, name="folder"), few="all")


def test_few_rows_are_not_plenty():
    with pytest.raises(ConfigError) as refused:
        shots(Texts(5000), rows=48)
    assert str(refused.value) == (
        "48 rows are not plenty for task 'task', whose few-shot training set has 48; give 2000"
    )


def test_every_task_of_the_embedded_gym_has_more_rows_than_its_few_shots():
    gym = open_gym()
    for task in gym.tasks[::8]:
        few = gym.split(task, 13)
        assert len(gym.split(task, 13, plenty(gym, task, 13, 4 * len(few.train))).train) > len(
            few.train
        )
