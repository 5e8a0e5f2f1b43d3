"""Meta-SGD on a quadratic bowl, where its prompts and rates have closed forms."""

from __future__ import annotations

import pytest
import torch

from mpt.methods import METHODS
from mpt.methods.metasgd import metasgd, metasgd_by_recursion

R, P, H = 2, 3, 5
ALPHA = torch.tensor([0.1, 0.3], dtype=torch.float64)[:, None, None]


def bowl(theta, centre):
    """One loss per run, with its minimum at ``centre``."""
    return 0.5 * (theta - centre).square().sum((-1, -2))


@pytest.fixture
def points():
    draws = torch.Generator().manual_seed(3)
    return torch.randn(3, R, P, H, generator=draws, dtype=torch.float64)


@pytest.fixture
def scale():
    draws = torch.Generator().manual_seed(4)
    return 0.5 + torch.rand(R, P, 1, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("equation", [metasgd, metasgd_by_recursion])
@pytest.mark.parametrize("steps", [1, 3])
def test_closed_forms(points, scale, steps, equation):
    """phi_J = S + (1 - alpha s)^J (phi - S), row by row."""
    phi, support, query = points
    keep = 1 - ALPHA * scale
    end = support + keep**steps * (phi - support)
    found = equation(phi, [support] * steps, query, bowl, ALPHA, rate_scale=scale)
    torch.testing.assert_close(found.direction, keep**steps * (end - query), rtol=0, atol=1e-12)
    by_scale = -ALPHA * steps * keep ** (steps - 1) * (phi - support)
    expected = ((end - query) * by_scale).sum(-1, keepdim=True)
    torch.testing.assert_close(found.learned["rate_scale"], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.losses, bowl(end, query), rtol=0, atol=1e-12)


def test_with_all_rates_alpha_the_prompt_s_direction_is_that_of_maml(points):
    phi, support, query = points

    def rough(theta, batch):
        return (theta * batch).sin().exp().sum((-1, -2))

    known = METHODS["metasgd"]
    given = (phi, [support, query], query, rough, ALPHA)
    found = known.gradient(*given, **known.begin(phi)).direction
    expected = METHODS["maml"].gradient(*given).direction
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_rates_that_are_learned_lead_a_bowl_to_its_minimum_in_one_step():
    """Rows whose queries lie at other distances want other rates, which one alpha cannot be."""
    phi = torch.ones(1, 2, 4, dtype=torch.float64)
    support = torch.zeros_like(phi)
    query = torch.tensor([0.8, 0.2], dtype=torch.float64)[None, :, None].expand_as(phi)
    scale = torch.ones(1, 2, 1, dtype=torch.float64)
    alpha = torch.full((1, 1, 1), 0.5, dtype=torch.float64)
    for _ in range(200):
        found = metasgd(phi, [support], query, bowl, alpha, rate_scale=scale)
        scale = scale - 0.5 * found.learned["rate_scale"]
    expected = torch.tensor([0.2, 0.8], dtype=torch.float64)[None, :, None]
    torch.testing.assert_close(alpha * scale, expected, rtol=0, atol=1e-6)
