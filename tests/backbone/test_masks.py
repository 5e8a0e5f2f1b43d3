"""Masks that mpt makes for encoder-decoders are those that transformers makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import TINY

from mpt.backbone import model_parts
from mpt.backbone.batch import collate
from mpt.gym.tokens import TokenRow


def batch(*lengths):
    draws = np.random.default_rng(0)
    rows = [
        TokenRow(draws.integers(4, 20, n), np.append(draws.integers(4, 20, n % 3 + 1), 1))
        for n in lengths
    ]
    return collate([rows[:2], rows[2:]])


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("lengths", [(3, 9, 5, 1), (4, 4, 4, 4)], ids=["padded", "full"])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_losses_and_gradients_have_the_bits_of_transformers_own_masks(kind, lengths, place):
    backbone, rows = TINY[kind](0, torch.float32, place=place), batch(*lengths)
    assert rows.is_padded == (len(set(lengths)) > 1)
    theta = torch.stack([backbone.vocabulary_prompt(3, seed) for seed in "ab"]).requires_grad_()

    def values():
        losses = backbone.losses(theta, rows)
        return losses, *torch.autograd.grad(losses.sum(), theta)

    ours = values()
    assert backbone._takes_masks
    backbone._takes_masks = False
    theirs = values()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_decoder_is_given_the_mask_that_it_makes_by_itself(monkeypatch):
    """As on a GPU, where BART would look into a mask of ones."""
    backbone, rows = TINY["bart"](), batch(3, 9, 5, 1)
    theta = torch.stack([backbone.vocabulary_prompt(3, seed) for seed in "ab"])
    expected = backbone.losses(theta, rows)
    given = torch.ones(7, 7, dtype=torch.bool).tril()[None, None]
    monkeypatch.setattr(backbone, "_causal", lambda ids: given[..., : ids.shape[1], : ids.shape[1]])
    torch.testing.assert_close(backbone.losses(theta, rows), expected, rtol=0, atol=1e-12)


def test_kinds_that_make_masks_of_their_own_are_given_tokens():
    model = TINY["t5"]().model
    assert model_parts.takes_masks(model)
    model.config.model_type = "pegasus"
    assert not model_parts.takes_masks(model)


def test_cutting_a_batch_tells_anew_whether_it_is_padded():
    rows = batch(3, 9, 9, 1)
    assert rows.is_padded
    assert not rows.rows([1, 2]).is_padded
    assert [piece.is_padded for piece in rows.rows([0, 3, 1, 2]).pieces(2)] == [True, False]
    assert not collate([[]]).rows([]).is_padded
