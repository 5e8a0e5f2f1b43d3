"""Implicit MAML: closed forms, its limits, and conjugate gradients run by run."""

from __future__ import annotations

import pytest
import torch

from mpt.methods import METHODS
from mpt.methods.imaml import conjugate_gradients, imaml

R, P, H = 3, 2, 4
ALPHA = torch.tensor([0.1, 0.3, 0.5], dtype=torch.float64)[:, None, None]
STRENGTH = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)[:, None, None]


def bowl(theta, centre):
    """One loss per run, with its minimum at ``centre``."""
    return 0.5 * (theta - centre).square().sum((-1, -2))


def valley(theta, centre):
    """A bowl with another curvature along every coordinate: 1, 2, 3, 4 in each row."""
    curvature = torch.arange(1, H + 1, dtype=theta.dtype)
    return 0.5 * (curvature * (theta - centre).square()).sum((-1, -2))


@pytest.fixture
def points():
    draws = torch.Generator().manual_seed(3)
    return torch.randn(3, R, P, H, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 2, 100])
def test_closed_forms(points, steps):
    """A step multiplies the distance to the minimum by (1 - alpha) / (1 + alpha lambda)."""
    phi, support, query = points
    minimum = (support + STRENGTH * phi) / (1 + STRENGTH)
    end = minimum + ((1 - ALPHA) / (1 + ALPHA * STRENGTH)) ** steps * (phi - minimum)
    given = (phi, [support] * steps, query, bowl, ALPHA)
    found = imaml(*given, strength=STRENGTH, cg_steps=1)
    expected = STRENGTH / (1 + STRENGTH) * (end - query)
    torch.testing.assert_close(found.direction, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.losses, bowl(end, query), rtol=0, atol=1e-10)


@pytest.mark.parametrize("steps", [1, 3])
def test_where_both_end_in_the_same_place_it_is_maml(points, steps):
    """On the bowl MAML's J steps end in the minimum for lambda = c / (1 - c), c = (1 - alpha)^J."""
    phi, support, query = points
    kept = (1 - ALPHA) ** steps
    strength = kept / (1 - kept)
    maml = METHODS["maml"].gradient(phi, [support] * steps, query, bowl, ALPHA)
    at_the_minimum = [support] * 400
    found = imaml(phi, at_the_minimum, query, bowl, ALPHA, strength=strength, cg_steps=2)
    torch.testing.assert_close(found.direction, maml.direction, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.losses, maml.losses, rtol=0, atol=1e-9)


def test_held_fast_it_is_the_plain_gradient(points):
    phi, support, query = points
    fast = torch.full_like(ALPHA, 1e9)
    found = imaml(phi, [support] * 3, query, valley, ALPHA, strength=fast, cg_steps=4)
    plain = METHODS["mtl"].gradient(phi, [], query, valley, ALPHA)
    torch.testing.assert_close(found.direction, plain.direction, rtol=1e-6, atol=1e-6)


def test_it_is_the_derivative_of_the_regularised_minimum(points):
    """Along every coordinate, against central differences of the loss at the minimum."""
    phi, support, query = points
    steps = [support] * 2000
    found = imaml(phi, steps, query, valley, ALPHA, strength=STRENGTH, cg_steps=H).direction
    curvature = torch.arange(1, H + 1, dtype=torch.float64)

    def loss_at_minimum(initial):
        return valley((curvature * support + STRENGTH * initial) / (curvature + STRENGTH), query)

    for row in range(P):
        for column in range(H):
            nudge = torch.zeros_like(phi)
            nudge[:, row, column] = 1e-5
            numeric = (loss_at_minimum(phi + nudge) - loss_at_minimum(phi - nudge)) / 2e-5
            torch.testing.assert_close(found[:, row, column], numeric, rtol=1e-6, atol=1e-6)


def test_it_is_stable_at_rates_that_the_pull_to_phi_would_overshoot(points):
    phi, support, query = points
    alpha = torch.full_like(ALPHA, 0.5)
    strong = torch.full_like(ALPHA, 100.0)
    found = imaml(phi, [support] * 50, query, bowl, alpha, strength=strong, cg_steps=1)
    minimum = (support + strong * phi) / (1 + strong)
    torch.testing.assert_close(found.losses, bowl(minimum, query), rtol=0, atol=1e-9)


def symmetric(eigenvalues):
    """``[R, P * H, P * H]`` matrices with these eigenvalues, as products of prompts."""
    draws = torch.Generator().manual_seed(5)
    random = torch.randn(R, P * H, P * H, generator=draws, dtype=torch.float64)
    basis, _ = torch.linalg.qr(random)
    matrix = basis @ torch.diag_embed(eigenvalues) @ basis.mT
    return matrix, lambda v: (matrix @ v.flatten(1)[..., None])[..., 0].unflatten(1, (P, H))


def test_conjugate_gradients_solve_each_run_s_own_system(points):
    eigenvalues = torch.linspace(1, 5, R * P * H, dtype=torch.float64).view(R, P * H)
    matrix, product = symmetric(eigenvalues)
    target = points[0]
    found = conjugate_gradients(product, target, P * H)
    expected = torch.linalg.solve(matrix, target.flatten(1)).unflatten(1, (P, H))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(conjugate_gradients(product, target, 30), expected)


def test_a_run_that_is_solved_or_meets_no_curvature_changes_no_other(points):
    eigenvalues = torch.ones(R, P * H, dtype=torch.float64)
    eigenvalues[1] = torch.linspace(1, 4, P * H, dtype=torch.float64)
    eigenvalues[2] = -1
    matrix, product = symmetric(eigenvalues)
    target = points[0].clone()
    found = conjugate_gradients(product, target, P * H)
    torch.testing.assert_close(found[0], target[0], rtol=0, atol=1e-12)
    solved = torch.linalg.solve(matrix[1], target[1].flatten()).view(P, H)
    torch.testing.assert_close(found[1], solved, rtol=0, atol=1e-9)
    assert torch.equal(found[2], target[2]), "without curvature it is b itself"
    nothing = torch.zeros_like(target)
    assert torch.equal(conjugate_gradients(product, nothing, 3), nothing)
