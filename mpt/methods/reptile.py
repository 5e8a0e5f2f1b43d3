"""Reptile (Nichol et al. 2018, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.methods.inner import MetaGradient, adapt
from mpt.notation import Loss, Prompts, Rates


def reptile(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = sum_j dL(phi_j; S_j) / dphi_j = (phi - phi_J) / alpha; Q is not used."""
    _, slopes, losses = adapt(phi, support, loss, alpha)
    return MetaGradient(slopes, losses)
