"""Multi-task learning: plain training on the pooled source tasks."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.methods.inner import MetaGradient, slope
from mpt.notation import Loss, Prompts, Rates


def mtl(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = dL(phi; Q), an episode's query drawn from support and query sets pooled."""
    return slope(phi.detach().requires_grad_(), query, loss)
