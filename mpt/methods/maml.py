"""MAML (Finn et al. 2017, algorithm 1) and its first-order form."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.methods.inner import MetaGradient, adapt, slope
from mpt.notation import Loss, Prompts, Rates


def maml(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """g = dL(U(phi; S); Q) / dphi, exact: differentiated through every inner step."""
    phi = phi.detach().requires_grad_()

    def adapted_loss(initial: Prompts, batch: object) -> Prompts:
        return loss(adapt(initial, support, loss, alpha, through=True).direction, batch)

    return slope(phi, query, adapted_loss)


def fomaml(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """g = dL(phi_J; Q) / dphi_J: the inner steps count as constant (same paper, section 5.2)."""
    return slope(adapt(phi, support, loss, alpha).direction, query, loss)
