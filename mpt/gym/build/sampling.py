"""Lines -> pool and test set -> the k-shot train and dev set of each seed.

All draws come from NumPy's legacy generator (``RandomState``), which is frozen, so that the
official files of 2021 are reproduced bit for bit. Shuffling line numbers takes the same draws as
shuffling lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from mpt.errors import DataError
from mpt.gym.build.card_source import OneSplit, OneSplitCounts, TwoSplits, TwoSplitsCutTest
from mpt.gym.build.cards import Card
from mpt.gym.build.mapping import Line

Numbers = Sequence[int] | np.ndarray
"""Line numbers, in order."""

Shots = int | Literal["all"]

IN_MEMORY = 64 * 2**20
"""Most bytes of one split's lines in memory; a larger split goes to a temporary file."""


class Labelled(Protocol):
    """Lines by number: their count, and which of them have the same target."""

    def __len__(self) -> int: ...

    def label(self, number: int) -> int:
        """Return a number that two lines share exactly if their targets are equal."""
        ...


AnyLines = TypeVar("AnyLines", bound=Labelled)


class Lines:
    """The lines of one mapped split, as the bytes that go into a TSV file.

    Memory is 16 bytes per line and the distinct targets, whatever the size of the split: the text
    itself moves to a temporary file once it is large.

    Args:
        lines: input and target texts.
        name: task and split, for errors.
        folder: of the temporary file; the system's default if None.

    Raises:
        DataError: a text that UTF-8 cannot hold (a lone surrogate).
    """

    def __init__(self, lines: Iterable[Line], name: str, folder: str | None = None) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY, dir=folder)  # noqa: SIM115
        self._starts = array("q", [0])
        self._labels = array("q")
        try:
            self._fill(lines, name)
        except BaseException:
            self._file.close()
            raise

    def _fill(self, lines: Iterable[Line], name: str) -> None:
        labels: dict[str, int] = {}
        for number, (text, target) in enumerate(lines):
            self._labels.append(labels.setdefault(target, len(labels)))
            try:
                content = f"{text}\t{target}\n".encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{name}, line {number}: {error.reason}",
                    fix="correct that row",
                ) from None
            self._file.write(content)
            self._starts.append(self._starts[-1] + len(content))

    def __len__(self) -> int:
        return len(self._labels)

    def label(self, number: int) -> int:
        """Return the number of a line's target; see ``Labelled.label``."""
        return self._labels[number]

    def content(self, numbers: Numbers) -> Iterator[bytes]:
        """Yield the bytes of these lines, one by one."""
        for number in numbers:
            start, end = self._starts[number], self._starts[number + 1]
            self._file.seek(start)
            yield self._file.read(end - start)

    def close(self) -> None:
        """Close the temporary file and free its memory."""
        self._file.close()


@dataclass(frozen=True)
class Parts(Generic[AnyLines]):
    """A task before sampling: the lines of the pool and of the test set."""

    pool_lines: AnyLines | None
    pool: Numbers
    test_lines: AnyLines
    test: Numbers


def read_parts(card: Card, lines: Callable[[str], AnyLines | None]) -> Parts[AnyLines]:
    """Return the pool and the test set by the card's split rule.

    Args:
        card: has the split rule, ``splits``.
        lines: returns the mapped lines of a split, None if the source does not have it.

    Raises:
        DataError: the source lacks the split that the test set comes from.
    """
    rule = card.splits
    if isinstance(rule, TwoSplits | TwoSplitsCutTest):
        test_lines = _needed(card, rule.test, lines)
        pool_lines = lines(rule.pool)
        test: Numbers = range(len(test_lines))
        if isinstance(rule, TwoSplitsCutTest):
            test = shuffled(test, rule.seed)[: int(rule.test_fraction * len(test))]
        pool = range(len(pool_lines)) if pool_lines is not None else ()
        return Parts(pool_lines, pool, test_lines, test)
    all_lines = _needed(card, rule.origin, lines)
    order = shuffled(range(len(all_lines)), rule.seed)
    if isinstance(rule, OneSplitCounts):
        pool, test = order[slice(*rule.pool)], order[slice(*rule.test)]
    else:
        pool, test = _fractions(rule, order)
    return Parts(all_lines, pool, all_lines, test)


def split_of_tests(card: Card) -> str:
    """Return the name of the split that the test set is taken from."""
    rule = card.splits
    return rule.origin if isinstance(rule, OneSplit | OneSplitCounts) else rule.test


def shuffled(numbers: Numbers, seed: int) -> np.ndarray:
    """Return a copy in the order that ``RandomState(seed).shuffle`` gives the lines."""
    order = np.array(numbers, dtype=np.int64)
    np.random.RandomState(seed).shuffle(order)
    return order


def sample(
    parts: Parts[AnyLines], kind: str, shots: Shots, seed: int
) -> tuple[list[int], list[int]]:
    """Draw the line numbers of the train and the dev set under ``seed``.

    ``text_to_text``: the first k lines of the shuffled pool, then the next k. ``classification``:
    the same per target text, in order of first appearance. A class with fewer than 2 k lines has
    fewer in dev, then in train, as in the official files. With ``"all"`` each class (or the pool)
    is halved: train takes the larger half.
    """
    if parts.pool_lines is None:
        return [], []
    groups: dict[int, list[int]] = {}
    for number in shuffled(parts.pool, seed).tolist():
        group = parts.pool_lines.label(number) if kind == "classification" else 0
        groups.setdefault(group, []).append(number)
    train: list[int] = []
    dev: list[int] = []
    for numbers in groups.values():
        k = (len(numbers) + 1) // 2 if shots == "all" else shots
        train += numbers[:k]
        dev += numbers[k : 2 * k]
    return train, dev


def _fractions(rule: OneSplit, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut one shuffled split at ``int(fraction * n)``, truncated as in the official program."""
    n = len(order)
    return order[: int(rule.pool_fraction * n)], order[int(rule.test_start_fraction * n) :]


def _needed(card: Card, split: str, lines: Callable[[str], AnyLines | None]) -> AnyLines:
    split_lines = lines(split)
    if split_lines is None:
        raise DataError(
            f"{card.task}: the source has no split {split!r} of {card.source.dataset}"
            f"/{card.source.config or 'default'}, which the test set comes from",
            fix="add it",
        )
    return split_lines
