"""Implicit MAML (Rajeswaran et al. 2019): the gradient at the end of the inner loop, not of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mpt.methods.inner import MetaGradient, hessian_product, slope
from mpt.notation import Loss, Prompts, Rates


def imaml(
    phi: Prompts,
    support: Sequence[object],
    query: object,
    loss: Loss,
    alpha: Rates,
    *,
    strength: Rates,
    cg_steps: int,
) -> MetaGradient:
    """Compute g = (I + Hess L(phi_J; S) / lambda)^-1 dL(phi_J; Q), the paper's equation 6.

    phi_J is where J steps from phi lead towards the minimum of L(theta; S) + lambda/2 |theta -
    phi|^2, L(theta; S) the mean over the support batches. The pull to phi is taken implicitly,
    theta - phi = (theta - alpha dL(theta; S_j) - phi) / (1 + alpha lambda): the same minimum, and
    stable whatever alpha lambda is.

    Args:
        phi, support, query, loss, alpha: as in ``mpt.methods.maml``.
        strength: ``[R, 1, 1]``, lambda; a large one keeps phi_J near phi.
        cg_steps: steps of conjugate gradients, of J Hessian-vector products each.
    """
    moved = torch.zeros_like(phi)
    for batch in support:
        step = slope((phi.detach() + moved).requires_grad_(), batch, loss)
        moved = (moved - alpha * step.direction) / (1 + alpha * strength)
    end = (phi.detach() + moved).requires_grad_()
    outer = slope(end, query, loss)

    def product(v: Prompts) -> Prompts:
        products = [hessian_product(end, batch, loss, v) for batch in support]
        return v + torch.stack(products).mean(0) / strength

    return MetaGradient(conjugate_gradients(product, outer.direction, cg_steps), outer.losses)


def conjugate_gradients(
    product: Callable[[Prompts], Prompts], target: Prompts, steps: int
) -> Prompts:
    """Solve A x = b of every run by itself (Hestenes and Stiefel 1952), from x = 0.

    A loss need not be convex: a run keeps what it has once it meets a direction along which A does
    not curve upwards (Steihaug 1983), and b itself if that is the first one.

    Args:
        product: A v, whose runs do not mix.
        target: b, ``[R, P, H]``.
        steps: at most so many; as many as A has eigenvalues give the solution.
    """
    x, residual, direction = torch.zeros_like(target), target, target
    square = _dot(residual, residual)
    began = torch.zeros_like(square, dtype=torch.bool)
    for _ in range(steps):
        image = product(direction)
        curvature = _dot(direction, image)
        # false for a run that has ended too: its direction is zero
        upwards = curvature > 0
        began = began | upwards
        length = torch.where(upwards, square / curvature, 0)
        x, residual = x + length * direction, residual - length * image
        before, square = square, _dot(residual, residual)
        direction = torch.where(upwards, residual + square / before * direction, 0)
    return torch.where(began, x, target)


def _dot(one: Prompts, other: Prompts) -> Tensor:
    """``[R, 1, 1]``: of each run."""
    return (one * other).sum((-1, -2), keepdim=True)
