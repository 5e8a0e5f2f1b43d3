"""Adapt a prompt to one episode by plain gradient descent: U(phi; S)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, cast

import torch
from torch import Tensor

from mpt.notation import Loss, Losses, Prompts, Rates


class MetaGradient(NamedTuple):
    """What a method hands to the outer optimiser.

    Attributes:
        direction: ``[R, P, H]``, the (pseudo-)gradient of each run's initial prompt.
        losses: ``[R]``, the loss it was read off (query loss; for Reptile the last support loss).
        learned: the directions of what the method learns beside the prompt, by name.
    """

    direction: Prompts
    losses: Losses
    learned: Mapping[str, Tensor] = MappingProxyType({})


class Adapted(NamedTuple):
    """Where an inner loop ends.

    Attributes:
        prompts: ``[R, P, H]``, phi_J; they ask for gradients.
        slopes: ``[R, P, H]``, the sum of the J inner gradients: (phi - phi_J) / alpha, without the
            rounding of phi_J. At the paper's rate of 3e-5 a step is smaller than the spacing of
            float32 at a prompt's size, so that the difference would be nothing but rounding.
        losses: ``[R]``, the loss before the last step.
    """

    prompts: Prompts
    slopes: Prompts
    losses: Losses


def slope(theta: Prompts, batch: object, loss: Loss, *, through: bool = False) -> MetaGradient:
    """Compute dL(theta; batch) / dtheta; ``through`` keeps the graph, to differentiate it again.

    The sum over runs has each run's own gradient, since run r's loss depends on ``theta[r]`` alone.
    A batch given as a tuple of micro-batches, whose losses add up, is read one by one: the graph
    of one is gone before the next is made.
    """
    direction, losses = torch.zeros_like(theta), theta.new_zeros(theta.shape[0])
    for piece in pieces(batch):
        part = loss(theta, piece)
        (slope_of_part,) = torch.autograd.grad(part.sum(), theta, create_graph=through)
        direction, losses = direction + slope_of_part, losses + part.detach()
    return MetaGradient(direction, losses)


def hessian_product(theta: Prompts, batch: object, loss: Loss, vector: Prompts) -> Prompts:
    """Compute Hess L(theta; batch) v, the gradient's derivative along v (Pearlmutter 1994).

    The Hessian is never made: a product costs about 2.4 gradients. Micro-batches as in ``slope``.
    """
    theta = theta.detach().requires_grad_()
    product = torch.zeros_like(theta)
    for piece in pieces(batch):
        (gradient,) = torch.autograd.grad(loss(theta, piece).sum(), theta, create_graph=True)
        (part,) = torch.autograd.grad(gradient, theta, vector)
        product = product + part
    return product


def pieces(batch: object) -> tuple[object, ...]:
    """Return the micro-batches of a batch; one that is not cut is its own only piece."""
    return cast("tuple[object, ...]", batch) if isinstance(batch, tuple) else (batch,)


def adapt(
    phi: Prompts, support: Sequence[object], loss: Loss, alpha: Rates, *, through: bool = False
) -> Adapted:
    """Compute phi_{j+1} = phi_j - alpha dL(phi_j; S_j), one step per support batch.

    Args:
        phi: ``[R, P, H]``, the initial prompts; they must ask for gradients if ``through``.
        support: J batches S_0 .. S_{J-1}.
        alpha: ``[R, 1, 1]``, the inner learning rate of each run.
        through: keep the graph, so that phi_J can be differentiated with respect to phi.
    """
    theta = phi if through else phi.detach().requires_grad_()
    slopes, losses = torch.zeros_like(phi), phi.new_zeros(phi.shape[0])
    for batch in support:
        step = slope(theta, batch, loss, through=through)
        slopes, losses = slopes + step.direction.detach(), step.losses
        theta = theta - alpha * step.direction
        theta = theta if through else theta.detach().requires_grad_()
    return Adapted(theta, slopes, losses)
