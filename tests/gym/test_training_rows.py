"""The rows of a tuning's updates: epochs without replacement, the same however they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from mpt.gym.episodes import training_rows
from mpt.gym.tokens import TokenExample, TokenRow
from mpt.seeding import stream


def examples(count: int) -> list[TokenExample]:
    """Every row has its number as input, and one to three answers."""
    return [
        TokenExample(np.array([at]), tuple(np.array([at, answer]) for answer in range(1 + at % 3)))
        for at in range(count)
    ]


def drawn_anew(rows: list[TokenExample], size: int, step: int, *name: str | int) -> list[TokenRow]:
    """The definition: each row draws its epoch's order from the start of its stream."""
    found = []
    for place in range(step * size, (step + 1) * size):
        epoch, index = divmod(place, len(rows))
        draws = stream("tuning", *name, epoch)
        example = rows[draws.permutation(len(rows))[index]]
        found.append(example.row(int(draws.integers(len(example.targets)))))
    return found


@pytest.mark.parametrize("count", [1, 3, 32, 500])
def test_rows_and_answers_are_those_of_streams_drawn_anew(count):
    rows = examples(count)
    for step in (0, 1, 5, 0):
        for task in ("one", "two"):
            found = training_rows(rows, 8, step, task, 13)
            wanted = drawn_anew(rows, 8, step, task, 13)
            for row, other in zip(found, wanted, strict=True):
                assert row.input.tolist() == other.input.tolist()
                assert row.target.tolist() == other.target.tolist()


def test_an_epoch_has_every_row_once():
    rows = examples(24)
    seen = [int(row.input[0]) for step in range(3) for row in training_rows(rows, 8, step, "t", 1)]
    assert sorted(seen) == list(range(24))
