"""Copy a language model to train it; its layers can be recomputed in the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mpt.backbone import model_parts


@dataclass
class Recomputation:
    """Whether the layers of a copy are recomputed: less memory, a third more work, equal bits."""

    on: bool = True


def trainable(model: Any, recomputation: Recomputation) -> Any:
    """Return a copy of a model, in float32 at least, ready to be trained.

    Gradient checkpointing (Chen et al. 2016) while ``recomputation`` is on: of every layer the
    input alone is kept. A model in
    bfloat16 is copied to float32, as steps of a fine-tuning are smaller than bfloat16 can tell,
    and its layers still compute in bfloat16 under autocast. Dropout stays off, so that cutting a
    batch into micro-batches changes nothing.
    """
    narrow = model.dtype == torch.bfloat16
    copy = deepcopy(model)
    copy = copy.float() if narrow else copy
    for layer in model_parts.layers(copy):
        layer.forward = _layer(layer.forward, model.device.type, narrow, recomputation)
    return copy


def trainable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of a model that require gradients, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _layer(
    forward: Callable[..., Any], device: str, narrow: bool, recomputation: Recomputation
) -> Callable[..., Any]:
    def run(*states: Any, **options: Any) -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=narrow):
            return forward(*states, **options)

    def layer(*states: Any, **options: Any) -> Any:
        if not (recomputation.on and torch.is_grad_enabled()):
            return run(*states, **options)
        return checkpoint(run, *states, use_reentrant=False, preserve_rng_state=False, **options)

    return layer
