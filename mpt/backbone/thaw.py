"""A language model that may be trained: a copy, whose layers are recomputed on the way back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mpt.backbone import hub


def trainable(model: Any) -> Any:
    """A copy of a model in float32 at least, ready to be trained; the model stays as it is.

    Gradient checkpointing (Chen et al. 2016): of every layer the input alone is kept. A model in
    bfloat16 is copied to float32, as steps of a fine-tuning are smaller than bfloat16 can tell,
    and its layers go on computing in bfloat16 under autocast. Dropout stays off, so that cutting a
    batch into micro-batches changes nothing.
    """
    narrow = model.dtype == torch.bfloat16
    copy = deepcopy(model)
    copy = copy.float() if narrow else copy
    for layer in hub.layers(copy):
        layer.forward = _recomputed(layer.forward, model.device.type, narrow)
    return copy


def asking(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of a model that ask for gradients, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _recomputed(forward: Callable[..., Any], device: str, narrow: bool) -> Callable[..., Any]:
    def run(*states: Any, **options: Any) -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=narrow):
            return forward(*states, **options)

    def layer(*states: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return run(*states, **options)
        return checkpoint(run, *states, use_reentrant=False, preserve_rng_state=False, **options)

    return layer
