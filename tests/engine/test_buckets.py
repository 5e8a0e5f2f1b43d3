"""Length buckets: every row once, little padding, and the same losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import TINY

from mpt.backbone.batch import Batch, collate
from mpt.backbone.load import load_backbone
from mpt.engine.buckets import buckets
from mpt.engine.step import pieces_of
from mpt.gym.episodes import training_rows
from mpt.gym.source import open_gym
from mpt.gym.tokens import TokenRow, TokenSplit
from mpt.methods.inner import slope
from mpt.seeding import stream


def ragged(runs: int, rows: int = 6, widest: int = 200) -> Batch:
    """Rows whose lengths differ a hundredfold."""
    draws = stream("ragged", runs, rows)
    return collate(
        [
            [
                TokenRow(draws.integers(4, 20, n), draws.integers(4, 20, 1 + n % 3))
                for n in np.exp(draws.uniform(0, np.log(widest), rows)).astype(int) + 1
            ]
            for _ in range(runs)
        ]
    )


def padded(batch: Batch) -> int:
    return len(batch) * batch.widest


@pytest.mark.parametrize("whole_runs", [False, True])
@pytest.mark.parametrize("cost", [1, 50, 400, 10**9])
def test_every_row_is_in_one_bucket_and_no_cut_costs_more_than_it_saves(cost, whole_runs):
    batch = ragged(5)
    found = buckets(batch, cost, whole_runs=whole_runs)
    assert sorted(row for bucket in found for row in bucket) == list(range(len(batch)))
    pieces = [batch.rows(bucket).pieces(len(bucket))[0] for bucket in found]
    assert sum(padded(piece) + cost for piece in pieces) <= padded(batch) + cost
    assert (len(found) == 1) == (cost == 10**9)
    if whole_runs:
        present = [run for piece in pieces for run in piece.present.tolist()]
        assert sorted(present) == list(range(5)), "no run is in two buckets"


def test_rows_of_one_length_are_not_cut():
    row = TokenRow(np.arange(4, 12), np.array([5, 1]))
    assert buckets(collate([[row] * 4] * 3), 0, whole_runs=False) == [list(range(12))]


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("rows", [1000, 4])
def test_gradients_of_buckets_add_up(kind, rows, monkeypatch):
    monkeypatch.setattr("mpt.engine.buckets.PASS_COSTS", {"cpu": 5})
    backbone, batch = TINY[kind](), ragged(4, widest=40)
    theta = torch.stack([backbone.vocabulary_prompt(3, r) for r in range(4)]).requires_grad_()
    pieces = pieces_of(batch, rows, backbone)
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= rows
    whole, cut = slope(theta, batch, backbone.losses), slope(theta, pieces, backbone.losses)
    close = (
        1e-6 if kind == "gemma" else 1e-9
    )  # its norms compute in float32 whatever they are given
    torch.testing.assert_close(cut.losses, whole.losses, rtol=close, atol=0)
    scale = whole.direction.abs().max().item()
    torch.testing.assert_close(cut.direction, whole.direction, rtol=0, atol=close * scale)


def test_packs_of_the_embedded_gym_are_hardly_padded():
    """Tokens of a pack's training batches, its prompts of 10 included, that are padding."""
    backbone, gym = load_backbone("mini", "cpu"), open_gym("mini")
    splits = [TokenSplit(gym.split(task, 13), backbone.encode, 64, 16) for task in gym.tasks]
    splits.sort(key=lambda split: max(len(example.input) for example in split.train))
    real = read = at_once = 0
    for first in range(0, len(splits), 16):
        pack = splits[first : first + 16]
        for step in range(3):
            rows = [training_rows(split.train, 8, step, split.split.task) for split in pack]
            batch = collate(rows)
            real += sum(10 + row.length for run in rows for row in run)
            at_once += 10 * len(batch) + padded(batch)
            for piece in pieces_of(batch, len(batch), backbone):
                read += 10 * len(piece) + padded(piece)
    assert 1 - real / at_once > 0.15
    assert 1 - real / read < 0.1
