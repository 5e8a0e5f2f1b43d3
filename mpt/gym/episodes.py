"""Episodes: the rows of each step of a meta-training, as a function of the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import ceil
from typing import Literal

import numpy as np

from mpt.config import Habits
from mpt.gym.tokens import TokenExample, TokenRow, TokenSplit
from mpt.seeding import Name, stream

EPOCHS = 64
"""Orders of an epoch's rows that are kept: of hundreds of thousands of rows, drawing the order anew
takes longer than the update. The rates of a task and seed share theirs."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A draw from one unit: J inner batches of support rows, and the query rows."""

    support: tuple[tuple[TokenRow, ...], ...]
    query: tuple[TokenRow, ...]


@dataclass(frozen=True)
class Episodes:
    """The endless sequence of episodes of one meta-training.

    A unit is one (task, seed): its train set is the support side, its dev set the query side. Each
    epoch visits every unit once in a fresh order, as the paper's authors do. Episode n is the same
    whenever it is requested, so a resumed run needs no generator state.

    Attributes:
        units: one ``TokenSplit`` per (task, seed).
        name: root of the random streams, ``RunConfig.root``.
        inner_steps: J, inner batches per episode (0: no support is drawn).
        inner_batch: rows of each support batch.
        query: where query rows come from, see ``mpt.methods.Method``.
        query_batch: rows of the query.
        habits: sampling habits of the paper's authors to reproduce.
    """

    units: Sequence[TokenSplit]
    name: str
    inner_steps: int
    inner_batch: int
    query: Literal["dev", "pooled", "none"]
    query_batch: int
    habits: Habits = field(default_factory=Habits)

    def __getitem__(self, n: int) -> Episode:
        """Draw the n-th episode, counted from 0."""
        draws = stream("episode", self.name, n)
        unit = self._unit(n)
        rows = self._support(unit, draws) if self.inner_steps else ()
        cuts = range(0, len(rows), self.inner_batch)
        support = tuple(rows[cut : cut + self.inner_batch] for cut in cuts)
        match self.query:
            case "dev":
                query = _draw(unit.dev, self.query_batch, draws)
            case "pooled" if self.habits.pooled == "epochs":
                query = _answered(self._batch_of_epoch(n), draws)
            case "pooled":
                query = _draw(self._pool, self.query_batch, draws)
            case "none":
                query = ()
        return Episode(support, query)

    def _support(self, unit: TokenSplit, draws: np.random.Generator) -> tuple[TokenRow, ...]:
        count, examples = self.inner_steps * self.inner_batch, unit.train
        if self.habits.draws == "replacement" and count > len(examples):
            return _answered(
                [examples[i] for i in draws.integers(len(examples), size=count)], draws
            )
        return _draw(examples, count, draws)

    def _batch_of_epoch(self, n: int) -> list[TokenExample]:
        """Return the n-th batch of all rows in one order that repeats.

        The last batch of an epoch may be short.
        """
        place = n % ceil(len(self._pool) / self.query_batch) * self.query_batch
        order = self._order[place : place + self.query_batch]
        return [self._pool[i] for i in order]

    @cached_property
    def _order(self) -> np.ndarray:
        return stream("pool", self.name).permutation(len(self._pool))

    def _unit(self, n: int) -> TokenSplit:
        epoch, place = divmod(n, len(self.units))
        order = stream("epoch", self.name, epoch).permutation(len(self.units))
        return self.units[order[place]]

    @cached_property
    def _pool(self) -> tuple[TokenExample, ...]:
        return tuple(example for unit in self.units for example in (*unit.train, *unit.dev))


def training_rows(
    examples: Sequence[TokenExample], size: int, step: int, *name: Name
) -> list[TokenRow]:
    """Draw the rows of update ``step`` of a tuning: epochs without replacement, full batches.

    Args:
        examples: the task's training set.
        size: rows per batch; a batch may run over the end of an epoch into the next one.
        step: number of the update, counted from 0.
        name: root of the random stream.
    """
    rows = []
    for place in range(step * size, (step + 1) * size):
        epoch, index = divmod(place, len(examples))
        order, _ = _epoch(len(examples), *name, epoch)
        example = examples[order[index]]
        answers = len(example.targets)
        rows.append(
            example.row(_answer(answers, len(examples), *name, epoch) if answers > 1 else 0)
        )
    return rows


@lru_cache(maxsize=EPOCHS)
def _epoch(count: int, *name: Name) -> tuple[np.ndarray, np.random.Generator]:
    """Return the order of ``count`` rows in an epoch, and the stream as it is after that draw."""
    draws = stream("tuning", *name)
    order = draws.permutation(count)
    order.setflags(write=False)
    return order, draws


@lru_cache(maxsize=4 * EPOCHS)
def _answer(answers: int, count: int, *name: Name) -> int:
    """Draw one of so many answers in an epoch of ``count`` rows.

    The stream is that of the epoch: every row of it draws from the same state.
    """
    _, draws = _epoch(count, *name)
    return int(deepcopy(draws).integers(answers))


def _draw(
    examples: Sequence[TokenExample], count: int, draws: np.random.Generator
) -> tuple[TokenRow, ...]:
    """Draw ``count`` rows without replacement, starting over when the examples run out."""
    rounds = -(-count // len(examples))
    order = np.concatenate([draws.permutation(len(examples)) for _ in range(rounds)])[:count]
    return _answered([examples[i] for i in order], draws)


def _answered(chosen: Sequence[TokenExample], draws: np.random.Generator) -> tuple[TokenRow, ...]:
    """Return each example as a row with one of its answers, drawn at random."""
    return tuple(example.row(int(draws.integers(len(example.targets)))) for example in chosen)
