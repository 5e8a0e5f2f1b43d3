"""Directions at the paper's inner rate and the size of its prompts, in float32 against float64.

A step of 3e-5 is smaller than the spacing of float32 at 20, the standard deviation of the prompts
that the paper's authors learned, so that a difference of prompts is nothing but its rounding.
"""

from __future__ import annotations

import pytest
import torch
from equations import EQUATIONS
from tiny import tiny_t5

from mpt.backbone.batch import collate
from mpt.gym.tokens import TokenRow
from mpt.methods import METHODS
from mpt.methods.inner import MetaGradient, adapt

ALPHA, SPREAD, STEPS = 3e-5, 20.0, 10


TEXTS = (("the cat sat", "yes"), ("very good dog", "no"), ("blue hill", "bad"), ("a mat", "red"))


def batch(backbone, first: int):
    """Two rows for each of two runs, other ones for every ``first``."""
    chosen = [TEXTS[(first + i) % len(TEXTS)] for i in range(4)]
    ids = backbone.encode([text for text, _ in chosen], 16)
    targets = backbone.encode([answer for _, answer in chosen], 16, "target")
    rows = [TokenRow(i, t) for i, t in zip(ids, targets, strict=True)]
    return collate([rows[:2], rows[2:]])


def problem(dtype: torch.dtype):
    """A tiny T5 with prompts ``[2, 4, 16]``: equal numbers in both precisions."""
    backbone = tiny_t5(seed=2, dtype=dtype, spread=1.0)
    draws = torch.Generator().manual_seed(5)
    phi = (SPREAD * torch.randn(2, 4, 16, generator=draws)).to(dtype)
    support = [batch(backbone, j) for j in range(STEPS)]
    alpha = torch.full((2, 1, 1), ALPHA, dtype=dtype)
    return backbone, phi, support, batch(backbone, 1), alpha


def direction(gradient, dtype: torch.dtype):
    backbone, phi, support, query, alpha = problem(dtype)
    return gradient(
        phi, support, query, backbone.losses_twice_differentiable, alpha
    ).direction.double()


def by_difference(phi, support, query, loss, alpha):
    """Reptile as its paper writes it: what this file must be able to tell from the sum."""
    adapted, _, losses = adapt(phi, support, loss, alpha)
    return MetaGradient((phi - adapted).detach() / alpha, losses)


def error(found, exact) -> float:
    return ((found - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("name", EQUATIONS)
def test_float32_has_the_direction_of_float64(name):
    exact = direction(EQUATIONS[name], torch.float64)
    assert exact.norm() > 1e-4
    assert error(direction(EQUATIONS[name], torch.float32), exact) < 2e-6


def test_the_difference_of_prompts_is_that_of_float64_and_mere_rounding_in_float32():
    exact = direction(METHODS["reptile"].gradient, torch.float64)
    assert error(direction(by_difference, torch.float64), exact) < 1e-6
    assert error(direction(by_difference, torch.float32), exact) > 0.1
