"""U(phi; S): adaptation to one episode by plain gradient descent on the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from mpt.notation import Loss, Losses, Prompts, Rates


class MetaGradient(NamedTuple):
    """What a method hands to the outer optimiser.

    Attributes:
        direction: ``[R, P, H]``, the (pseudo-)gradient of each run's initial prompt.
        losses: ``[R]``, the loss it was read off (query loss; for Reptile the last support loss).
    """

    direction: Prompts
    losses: Losses


def slope(theta: Prompts, batch: object, loss: Loss, *, through: bool = False) -> MetaGradient:
    """dL(theta; batch) / dtheta; ``through`` keeps the graph, to be differentiated again.

    The sum over runs has each run's own gradient, since run r's loss depends on ``theta[r]`` alone.
    """
    losses = loss(theta, batch)
    (direction,) = torch.autograd.grad(losses.sum(), theta, create_graph=through)
    return MetaGradient(direction, losses.detach())


def adapt(
    phi: Prompts, support: Sequence[object], loss: Loss, alpha: Rates, *, through: bool = False
) -> MetaGradient:
    """phi_{j+1} = phi_j - alpha dL(phi_j; S_j), one step per support batch.

    Args:
        phi: ``[R, P, H]``, the initial prompts; they must ask for gradients if ``through``.
        support: J batches S_0 .. S_{J-1}.
        alpha: ``[R, 1, 1]``, the inner learning rate of each run.
        through: keep the graph, so that phi_J can be differentiated with respect to phi.

    Returns:
        phi_J as ``direction`` (it asks for gradients) and the loss before the last step.
    """
    theta = phi if through else phi.detach().requires_grad_()
    losses = phi.new_zeros(phi.shape[0])
    for batch in support:
        gradient, losses = slope(theta, batch, loss, through=through)
        theta = theta - alpha * gradient
        theta = theta if through else theta.detach().requires_grad_()
    return MetaGradient(theta, losses)
