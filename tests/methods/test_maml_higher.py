"""Exact MAML against `higher`, the peer that differentiates through an unrolled optimiser."""

from __future__ import annotations

import higher
import pytest
import torch
from tiny import tiny_t5

from mpt.backbone.batch import collate
from mpt.gym.tokens import Row
from mpt.methods import METHODS

SUPPORT = (["the cat sat", "dog ran"], ["yes", "no"])
QUERY = (["red mat is very good", "blue hill"], ["good", "not bad"])


class Prompted(torch.nn.Module):
    """Only the prompt is a parameter; the language model hides in a list."""

    def __init__(self, prompt, backbone):
        super().__init__()
        self.prompt = torch.nn.Parameter(prompt.clone())
        self.hidden = [backbone]

    def forward(self, batch):
        return self.hidden[0].curved(self.prompt[None], batch).sum()


def batch(backbone, texts):
    inputs, targets = (backbone.encode(side, 16) for side in texts)
    return collate([[Row(i, t) for i, t in zip(inputs, targets, strict=True)]])


def by_higher(backbone, prompt, support, query, alpha, *, track):
    module = Prompted(prompt, backbone)
    optimiser = torch.optim.SGD(module.parameters(), lr=alpha)
    with higher.innerloop_ctx(module, optimiser, track_higher_grads=track) as (fast, stepper):
        for one in support:
            stepper.step(fast(one))
        if not track:
            return torch.autograd.grad(fast(query), list(fast.parameters()))[0]
        return torch.autograd.grad(fast(query), list(fast.parameters(time=0)))[0]


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_meta_gradient_equals_higher_s(name, steps):
    backbone, alpha = tiny_t5(seed=2), 0.05
    prompt = backbone.vocabulary_prompt(3, "higher")
    support, query = [batch(backbone, SUPPORT)] * steps, batch(backbone, QUERY)
    rate = prompt.new_full((1, 1, 1), alpha)
    ours = METHODS[name].gradient(prompt[None], support, query, backbone.curved, rate).direction[0]
    theirs = by_higher(backbone, prompt, support, query, alpha, track=name == "maml")
    scale = theirs.abs().max().item()
    assert scale > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8 * scale)


def test_second_order_matters_here():
    backbone = tiny_t5(seed=2)
    prompt = backbone.vocabulary_prompt(3, "higher")
    support, query = [batch(backbone, SUPPORT)] * 2, batch(backbone, QUERY)
    rate = prompt.new_full((1, 1, 1), 0.05)
    exact, first = (
        METHODS[name].gradient(prompt[None], support, query, backbone.curved, rate).direction
        for name in ("maml", "fomaml")
    )
    assert (exact - first).norm() > 0.01 * exact.norm()
