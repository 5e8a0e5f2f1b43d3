"""MAML (Finn et al. 2017, algorithm 1), in two exact forms, and its first-order form."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.methods.inner import MetaGradient, adapt, hessian_product, slope
from mpt.notation import Loss, Prompts, Rates


def maml(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = dL(U(phi; S); Q) / dphi, exact: differentiated through every inner step.

    The graph of all inner steps is kept: the fastest form where it fits in memory.
    """
    phi = phi.detach().requires_grad_()

    def adapted_loss(initial: Prompts, batch: object) -> Prompts:
        return loss(adapt(initial, support, loss, alpha, through=True).prompts, batch)

    return slope(phi, query, adapted_loss)


def maml_by_recursion(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute the same g by the chain rule, walked back one inner step at a time.

    With v_J = dL(phi_J; Q) / dphi_J: v_j = v_{j+1} - alpha Hess L(phi_j; S_j) v_{j+1}, and g = v_0.
    Only the prompts phi_0 .. phi_J are kept and every step is recomputed, so that memory does not
    grow with the number of steps.
    """
    path = [phi.detach()]
    for batch in support:
        path.append(adapt(path[-1], [batch], loss, alpha).prompts.detach())
    outer = slope(path[-1].requires_grad_(), query, loss)
    v = outer.direction
    for phi_j, batch in zip(path[-2::-1], reversed(support), strict=True):
        v = v - alpha * hessian_product(phi_j, batch, loss, v)
    return MetaGradient(v, outer.losses)


def fomaml(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = dL(phi_J; Q) / dphi_J: inner steps count as constant (ibid., section 5.2)."""
    return slope(adapt(phi, support, loss, alpha).prompts, query, loss)
