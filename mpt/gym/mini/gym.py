"""The embedded gym: every split is generated on demand, identically on every machine."""

from __future__ import annotations

from functools import cache
from random import Random

from mpt.errors import DataError, UnknownName
from mpt.gym.build.sampling import Shots
from mpt.gym.mini.item import Item, draw
from mpt.gym.mini.lexicon import half_world
from mpt.gym.mini.settings import settings
from mpt.gym.mini.tasks import TASKS, MiniTask
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS, Example, FewShotSplit, TaskCard
from mpt.seeding import entropy

PATIENCE = 5_000
"""Consecutive draws without a new text after which a task is considered exhausted."""

FURTHER_SEEDS = tuple(range(101, 116))
"""Data seeds beyond CrossFit's five, for a search that needs more few-shot splits to decide; see
``mpt.gym.source.Generates``."""


class MiniGym:
    """The tasks of the mini world as a ``mpt.gym.source.Gym``; needs no file and no network."""

    @property
    def name(self) -> str:
        """Return ``mini``."""
        return "mini"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the name of every task, sorted."""
        return tuple(TASKS)

    @property
    def partitions(self) -> Partitions:
        """Return the paper's ten settings in miniature."""
        return settings()

    @property
    def further_seeds(self) -> tuple[int, ...]:
        """Return the data seeds beyond ``SEEDS`` that ``split`` takes."""
        return FURTHER_SEEDS

    def card(self, task: str) -> TaskCard:
        """Return the task's card. Raises ``UnknownName``."""
        return _task(task).card

    def split(self, task: str, seed: int, shots: Shots | None = None) -> FewShotSplit:
        """Generate the task's examples under one of ``SEEDS`` or ``FURTHER_SEEDS``.

        Train and dev hold 16 examples per class or 32 in total, or ``shots``, and share no text
        with each other or the test set, which is the same for all seeds.

        Raises:
            UnknownName: no such task.
            DataError: the seed is not one of the five, or the task has too few distinct examples.
        """
        card = _task(task).card
        if shots == "all":
            raise DataError(
                f"the embedded gym generates examples on demand, so {task!r} has no 'all'",
                fix="give a number of shots, e.g. 128",
            )
        if seed not in (*SEEDS, *FURTHER_SEEDS):
            raise DataError(
                f"task {task!r} has no split for seed {seed}",
                fix=f"the data seeds are {', '.join(map(str, SEEDS))}, and for a search that needs "
                f"more of them {FURTHER_SEEDS[0]} to {FURTHER_SEEDS[-1]}",
            )
        return _split(task, seed, shots or card.shots)


def _task(name: str) -> MiniTask:
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownName("task", name, TASKS, "See `mpt gym list`.") from None


@cache
def _split(name: str, seed: int, shots: int) -> FewShotSplit:
    task, test = TASKS[name], _test(name)
    rng = Random(entropy("mini", name, seed))
    rows = _generated(task, rng, 2 * shots, frozenset(row.input for row in test))
    train, dev = rows[::2], rows[1::2]
    return FewShotSplit(name, task.card.metric, seed, train, dev, test)


@cache
def _test(name: str) -> tuple[Example, ...]:
    task = TASKS[name]
    rng = Random(entropy("mini", name, "test"))
    return _generated(task, rng, task.test // (len(task.labels) or 1), frozenset())


def _generated(
    task: MiniTask, rng: Random, each: int, taken: frozenset[str]
) -> tuple[Example, ...]:
    """Generate ``each`` distinct examples per class (or in total), none of them in ``taken``."""
    seen = set(taken)
    by_class: dict[str, list[Example]] = {label: [] for label in task.labels} or {"": []}
    futile = 0
    while any(len(examples) < each for examples in by_class.values()):
        if futile == PATIENCE:
            fewest = min(map(len, by_class.values()))
            raise DataError(
                f"task {task.card.task!r} has about {fewest} different texts"
                f"{' per class' if task.labels else ''}, train and dev together, not {each}",
                fix=f"give {fewest // 2} shots or fewer",
            )
        futile += 1
        with half_world(task.half):
            item: Item = draw(task.sampler, rng, held_out=True)
        example, examples = task.dress(item), by_class[item.answer if task.labels else ""]
        if len(examples) < each and example.input not in seen:
            seen.add(example.input)
            examples.append(example)
            futile = 0
    return _mixed(rng, by_class)


def _mixed(rng: Random, by_class: dict[str, list[Example]]) -> tuple[Example, ...]:
    """Shuffle pairs of one class each, so that even and odd rows hold the classes equally."""
    rows: list[list[Example]] = []
    for examples in by_class.values():
        rows += [examples[i : i + 2] for i in range(0, len(examples), 2)]
    rng.shuffle(rows)
    return tuple(example for pair in rows for example in pair)
