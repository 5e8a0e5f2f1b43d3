"""MAML as users of TorchOpt write it: a differentiable optimiser replaces a module's weights."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import torch

from mpt.methods.by_higher import Prompted
from mpt.methods.inner import MetaGradient
from mpt.notation import Loss, Prompts, Rates


def has_torchopt() -> bool:
    """Return whether TorchOpt is installed; it comes with ``pip install -e '.[bench]'``."""
    return find_spec("torchopt") is not None


def maml_by_torchopt(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute g = dL(U(phi; S); Q) / dphi through the graph of ``torchopt.MetaSGD``.

    Its rate is one number, so a run's rate scales its loss instead.
    """
    import torchopt

    module = Prompted(phi, loss)
    initial = module.phi  # a step puts another tensor in its place
    optimiser = torchopt.MetaSGD(module, lr=1.0)
    for batch in support:
        optimiser.step((alpha.flatten() * module(batch)).sum())
    losses = module(query)
    (direction,) = torch.autograd.grad(losses.sum(), [initial])
    return MetaGradient(direction, losses.detach())
