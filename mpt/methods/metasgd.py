"""Meta-SGD (Li et al. 2017): MAML that learns its inner rates too, one for every prompt row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mpt.methods.inner import MetaGradient, adapt, hessian_product, pieces, slope
from mpt.notation import Loss, Prompts, Rates


def begin(phi: Prompts) -> Mapping[str, Tensor]:
    """Return the rates before the first step, all alpha: ``rate_scale`` is ``[R, P, 1]`` of ones.

    Rates are learned as multiples of alpha, so that an outer step means the same at any alpha.
    """
    return {"rate_scale": torch.ones_like(phi[..., :1])}


def metasgd(
    phi: Prompts,
    support: Sequence[object],
    query: object,
    loss: Loss,
    alpha: Rates,
    *,
    rate_scale: Tensor,
) -> MetaGradient:
    """Compute dL(phi_J; Q) / dphi and / ds, where phi_{j+1} = phi_j - alpha s dL(phi_j; S_j).

    Equation 2 of the paper with a rate per row of the prompt, alpha s, in place of one per weight.
    The graph of all inner steps is kept.
    """
    phi, scale = phi.detach().requires_grad_(), rate_scale.detach().requires_grad_()
    direction, direction_of_scale = torch.zeros_like(phi), torch.zeros_like(scale)
    losses = phi.new_zeros(len(phi))
    for piece in pieces(query):
        part = loss(adapt(phi, support, loss, alpha * scale, through=True).prompts, piece)
        of_phi, of_scale = torch.autograd.grad(part.sum(), (phi, scale))
        direction, direction_of_scale = direction + of_phi, direction_of_scale + of_scale
        losses = losses + part.detach()
    return MetaGradient(direction, losses, {"rate_scale": direction_of_scale})


def metasgd_by_recursion(
    phi: Prompts,
    support: Sequence[object],
    query: object,
    loss: Loss,
    alpha: Rates,
    *,
    rate_scale: Tensor,
) -> MetaGradient:
    """Compute the same, walked back one inner step at a time as in ``mpt.methods.maml``.

    With v_J = dL(phi_J; Q) and a = alpha s: v_j = v_{j+1} - Hess L(phi_j; S_j) (a v_{j+1}), and s
    has the direction - sum_j alpha dL(phi_j; S_j) v_{j+1}, summed over each row.
    """
    rates = alpha * rate_scale
    path, slopes = [phi.detach()], list[Prompts]()
    for batch in support:
        slopes.append(slope(path[-1].requires_grad_(), batch, loss).direction)
        path.append((path[-1] - rates * slopes[-1]).detach())
    outer = slope(path[-1].requires_grad_(), query, loss)
    v, direction_of_scale = outer.direction, torch.zeros_like(rate_scale)
    for phi_j, slope_j, batch in zip(path[-2::-1], slopes[::-1], support[::-1], strict=True):
        direction_of_scale = direction_of_scale - (alpha * slope_j * v).sum(-1, keepdim=True)
        v = v - hessian_product(phi_j, batch, loss, rates * v)
    return MetaGradient(v, outer.losses, {"rate_scale": direction_of_scale})
