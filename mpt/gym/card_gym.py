"""CrossFit's gym by its cards alone: what can be planned before a row of it was built."""

from __future__ import annotations

from mpt.errors import DataError
from mpt.gym.build.card_source import OneSplit, OneSplitCounts, TwoSplits, TwoSplitsCutTest
from mpt.gym.build.cards import Bins, Card, LabelMap
from mpt.gym.build.catalogue import card, cards
from mpt.gym.build.sampling import Shots
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS, Example, FewShotSplit, TaskCard

ROW = Example("word " * 102, ("a few words of answer",))
"""Stands for every row: about 128 tokens of input, and 6 of answer."""

CLASSES = 3
"""Assumed of a classification task whose card does not list its labels."""

ROWS = 2_000
"""Assumed of a split whose size is not known."""


class CardGym:
    """The 160 tasks of CrossFit: their settings, and how many rows they have, each of them ``ROW``.

    Args:
        name: the folder that is not there.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """Return the folder as it was given."""
        return self._name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the name of every task, sorted."""
        return tuple(cards())

    @property
    def partitions(self) -> Partitions:
        """Return the published settings."""
        return crossfit_partitions()

    def card(self, task: str) -> TaskCard:
        """Return the task's card. Raises ``UnknownName``."""
        return card(task).facts

    def split(self, task: str, seed: int, shots: Shots | None = None) -> FewShotSplit:
        """Return as many rows as the task has; see ``Gym.split``."""
        if seed not in SEEDS:
            raise DataError(f"seed {seed} has no split of {task!r}", fix=f"seeds are {SEEDS}")
        known = card(task)
        pool, test = _sizes(known)
        drawn = shots or known.shots
        if drawn == "all":
            train, dev = pool, 0
        else:
            train = dev = drawn * (_classes(known) if known.kind == "classification" else 1)
        rows = ((ROW,) * count for count in (train, dev, test))
        return FewShotSplit(task, known.metric, seed, *rows)


def _sizes(known: Card) -> tuple[int, int]:
    """Rows that train and dev sets are drawn from, and of the test set."""
    rows, splits = known.source.rows, known.splits
    match splits:
        case TwoSplits():
            return rows.get(splits.pool, ROWS), rows.get(splits.test, ROWS)
        case TwoSplitsCutTest():
            cut = splits.test_fraction * rows.get(splits.test, ROWS)
            return rows.get(splits.pool, ROWS), round(cut)
        case OneSplit():
            whole = rows.get(splits.origin, ROWS)
            test = (1 - splits.test_start_fraction) * whole
            return round(splits.pool_fraction * whole), round(test)
        case OneSplitCounts():
            (start, end), (test_start, test_end) = splits.pool, splits.test
            return end - start, test_end - test_start


def _classes(known: Card) -> int:
    match known.target:
        case LabelMap():
            return len(set(known.target.map.values()))
        case Bins():
            return len({bin_.text for bin_ in known.target.bins})
        case _:
            return CLASSES
