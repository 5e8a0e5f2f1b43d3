"""Exact MAML, graph kept or recomputed, against `higher`, which unrolls a patched optimiser."""

from __future__ import annotations

import pytest
import torch
from crossed import crossed
from tiny import TINY, tiny_t5

from mpt.backbone.batch import collate
from mpt.gym.tokens import TokenRow
from mpt.methods import METHODS
from mpt.methods.by_higher import maml_by_higher
from mpt.methods.maml import maml, maml_by_recursion

EPISODES = (
    (["the cat sat", "dog ran"], ["yes", "no"]),
    (["red mat is very good", "blue hill"], ["good", "not bad"]),
    (["a", "the very good dog ran on the red hill"], ["no no no", "a"]),
    (["is the mat blue"], ["was"]),
)
P = 3
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}


def batch(backbone, runs, first=0):
    """Ragged rows of so many runs, other ones for every ``first``."""
    rows_of_run = []
    for run in range(runs):
        inputs, answers = EPISODES[(first + run) % len(EPISODES)]
        ids, targets = backbone.encode(inputs, 16), backbone.encode(answers, 16, "target")
        rows_of_run.append([TokenRow(i, t) for i, t in zip(ids, targets, strict=True)])
    return collate(rows_of_run)


def problem(backbone, runs, steps):
    """phi, support, query and rates: every run has rows and a rate of its own.

    In float32 the rates are small: at large ones these tiny models amplify rounding step by step,
    in every engine alike.
    """
    phi = torch.stack([backbone.vocabulary_prompt(P, "higher", r) for r in range(runs)])
    support = [batch(backbone, runs, first=j) for j in range(steps)]
    small = 1.0 if phi.dtype == torch.float64 else 0.02
    rates = small * phi.new_tensor([0.05, 0.01, 0.2, 0.002][:runs])[:, None, None]
    return phi, support, batch(backbone, runs, first=1), rates


def assert_same(ours, theirs, tolerance):
    scale = theirs.direction.abs().max().item()
    assert scale > 1e-3
    error = (ours.direction - theirs.direction).norm() / theirs.direction.norm()
    assert error <= tolerance
    torch.testing.assert_close(ours.losses, theirs.losses, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("steps", "runs", "dtype"),
    crossed(
        [1, 2, 5, 10],
        [1, 4],
        TOLERANCE,
        fast=[
            *((1, 1, torch.float64), (1, 4, torch.float32)),
            *((2, 4, torch.float64), (2, 1, torch.float32)),
        ],
    ),
    ids=str,
)
@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama"])
def test_every_engine_gives_higher_s_gradient(kind, steps, runs, dtype):
    calm = {"spread": 1.0} if kind == "t5" else {}
    backbone = TINY[kind](2, dtype, **calm)
    phi, support, query, rates = problem(backbone, runs, steps)
    theirs = maml_by_higher(phi, support, query, backbone.losses_twice_differentiable, rates)
    kept = maml(phi, support, query, backbone.losses_twice_differentiable, rates)
    assert_same(kept, theirs, TOLERANCE[dtype])
    for rows in (1, 3, 100):
        cut = [one.pieces(rows) for one in support]
        found = maml_by_recursion(
            phi, cut, query.pieces(rows), backbone.losses_twice_differentiable, rates
        )
        assert_same(found, theirs, TOLERANCE[dtype])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_first_order_maml_takes_its_slope_where_higher_s_inner_loop_ends(steps):
    """`higher` without tracking its gradients is first-order MAML."""
    import higher

    backbone = tiny_t5(seed=2)
    phi, support, query, _ = problem(backbone, 1, steps)
    rates = phi.new_full((1, 1, 1), 0.05)
    ours = METHODS["fomaml"].gradient(phi, support, query, backbone.losses, rates).direction

    class Prompted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.prompt = torch.nn.Parameter(phi.clone())

        def forward(self, rows):
            return backbone.losses(self.prompt, rows).sum()

    module = Prompted()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    with higher.innerloop_ctx(module, optimiser, track_higher_grads=False) as (fast, stepper):
        for one in support:
            stepper.step(fast(one))
        (theirs,) = torch.autograd.grad(fast(query), list(fast.parameters()))
    scale = theirs.abs().max().item()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_second_order_matters_here(kind):
    """Else the tests above could not tell MAML from its first-order form."""
    backbone = TINY[kind](2)
    phi, support, query, rates = problem(backbone, 4, 2)
    first = METHODS["fomaml"].gradient(phi, support, query, backbone.losses, rates).direction
    exact = maml(phi, support, query, backbone.losses_twice_differentiable, rates).direction
    assert (first - exact).norm() > 0.01 * exact.norm()
