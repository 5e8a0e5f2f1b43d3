"""Meta-gradients on a quadratic bowl, where each has a closed form."""

from __future__ import annotations

import pytest
import torch

from mpt.methods import METHODS

ALPHA = torch.tensor([0.1, 0.3], dtype=torch.float64)[:, None, None]


def bowl(theta, centre):
    """One loss per run, with its minimum at ``centre``."""
    return 0.5 * (theta - centre).square().sum((-1, -2))


@pytest.fixture
def points():
    draws = torch.Generator().manual_seed(3)
    return torch.randn(3, 2, 4, 5, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_closed_forms(points, steps):
    phi, support, query = points
    shrink = (1 - ALPHA) ** steps
    end = support + shrink * (phi - support)
    expected = {
        "maml": shrink * (end - query),
        "fomaml": end - query,
        "reptile": (phi - end) / ALPHA,
        "mtl": phi - query,
    }
    for name, direction in expected.items():
        found = METHODS[name].gradient(phi, [support] * steps, query, bowl, ALPHA)
        torch.testing.assert_close(found.direction, direction, rtol=1e-12, atol=1e-12)


def test_maml_and_fomaml_differ_where_there_is_curvature(points):
    phi, support, query = points
    exact, first = (
        METHODS[name].gradient(phi, [support], query, bowl, ALPHA).direction
        for name in ("maml", "fomaml")
    )
    assert (exact - first).abs().max() > 0.01
