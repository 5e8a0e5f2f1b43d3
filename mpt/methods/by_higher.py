"""The reference engine: MAML by the library ``higher``, which unrolls a patched optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mpt.methods.inner import MetaGradient, pieces
from mpt.notation import Loss, Losses, Prompts, Rates


class Prompted(torch.nn.Module):
    """A module that owns the prompts alone: the language model is reached through the loss.

    Patching the model itself would fail on Llama, whose list of layers is sliced, and buys nothing.
    """

    def __init__(self, phi: Prompts, loss: Loss) -> None:
        super().__init__()
        self.phi = torch.nn.Parameter(phi.detach().clone())
        self.loss = loss

    def forward(self, batch: object) -> Losses:
        """Return ``[R]``: the loss at the prompts as they are now."""
        losses = [self.loss(self.phi, piece) for piece in pieces(batch)]
        return torch.stack(losses).sum(0)


def maml_by_higher(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = dL(U(phi; S); Q) / dphi by ``higher``; slow, and kept to be compared with.

    ``higher`` knows one rate per parameter group, so a run's rate scales its loss instead: a step
    of SGD at rate 1 on alpha L is a step at rate alpha on L.
    """
    import higher

    module = Prompted(phi, loss)
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    with higher.innerloop_ctx(module, optimiser, copy_initial_weights=False) as (fast, stepper):
        for batch in support:
            stepper.step((alpha.flatten() * fast(batch)).sum())
        losses = fast(query)
        (direction,) = torch.autograd.grad(losses.sum(), [module.phi])
    return MetaGradient(direction, losses.detach())
