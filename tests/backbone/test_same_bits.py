"""Gradients of a pack have the same bits however its threads are scheduled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpt.backbone.batch import collate, per_run, spread
from mpt.gym.tokens import TokenRow

REPEATS = 60


@pytest.fixture
def four_threads():
    usual = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(usual)


def grown(pick, place, weight):
    """The gradient of prompts that ``pick`` gives to the rows."""
    prompts = torch.zeros(int(place.max()) + 1, *weight.shape[1:], requires_grad=True)
    return torch.autograd.grad((pick(prompts, place) * weight).sum(), prompts)[0]


def test_gradients_of_rows_add_up_in_the_same_order_on_several_threads(four_threads):
    draws = torch.Generator().manual_seed(0)
    place = torch.randint(0, 3, (64,), generator=draws)
    weight = torch.randn(64, 40, 512, generator=draws)
    first = grown(spread, place, weight)
    # in float64, where the order makes no visible difference
    whole = torch.stack([weight[place == run].double().sum(0) for run in range(3)])
    assert torch.allclose(first.double(), whole, atol=1e-4)
    assert all(torch.equal(first, grown(spread, place, weight)) for _ in range(REPEATS))


def test_spread_can_be_differentiated_twice():
    prompts = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    place = torch.tensor([2, 0, 0, 1, 2])
    assert torch.autograd.gradgradcheck(lambda p: spread(p, place).tanh(), prompts)


def test_losses_of_runs_add_up_in_the_same_order_on_several_threads(four_threads):
    rows = [[TokenRow(np.ones(1, int), np.ones(1, int)) for _ in range(2001)] for _ in range(3)]
    batch = collate(rows)
    losses = torch.rand(len(batch), generator=torch.Generator().manual_seed(1))
    first = per_run(losses, batch)
    assert torch.allclose(first, losses.view(3, -1).mean(1))
    assert all(torch.equal(first, per_run(losses, batch)) for _ in range(REPEATS))
