"""Attention of encoder-decoders without the work that an answer of few tokens does not need.

A decoder turns every state of the encoder into keys and values, whatever it asks of them: of all
multiplications in T5 a seventh. Keys are linear in the states, so that the question can be turned
instead, q (W_k x) = (W_k' q) x; and so are values: read states first, then turn what was read. The
answer is the same, the work is that of the few questions (``cross``).

And T5 adds its position bias to the mask in every layer of the encoder anew, though both stay the
same (``_t5_reading``).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

FEW = 4
"""Questions are turned up to a head's width divided by this, in tokens; above, keys are cheaper."""

_T5 = ("T5Attention", "MT5Attention")
_BART = ("BartAttention", "MBartAttention")


def lean_attention(model: Any) -> Any:
    """The model with the attention of T5 and BART kinds so computed, in place; others stay.

    Methods are bound to their modules, so that a copy of the model has its own.
    """
    for module in model.modules():
        name = type(module).__name__
        if name in _T5:
            module.forward = MethodType(_t5_answering if module.is_decoder else _t5_reading, module)
        elif name in _BART and module.is_decoder:
            module.forward = MethodType(_bart_answering, module)
    return model


@dataclass(frozen=True)
class Heads:
    """Projections of a multi-head attention; ``count`` heads, their queries times ``scaling``."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    count: int
    scaling: float

    def split(self, weight: Tensor) -> Tensor:
        """``[heads, K, D]`` of a projection's weight ``[heads * K, D]``."""
        return weight.unflatten(0, (self.count, -1))


def cross(states: Tensor, source: Tensor, mask: Tensor | None, heads: Heads) -> Tensor:
    """``[N, U, D]``: what ``states [N, U, D]`` read from ``source [N, S, D]``, before W_o.

    Args:
        mask: ``[N, 1, 1 or U, S]``, true where a question may look, or what is added to scores.
    """
    length = states.shape[1]
    asked = heads.query(states).unflatten(-1, (heads.count, -1)) * heads.scaling
    turned = torch.einsum("nuhk,hkd->nhud", asked, heads.split(heads.key.weight))
    scores = (turned.flatten(1, 2) @ source.mT).unflatten(1, (heads.count, length))
    if heads.key.bias is not None:
        scores = scores + (asked * heads.split(heads.key.bias)).sum(-1).mT[..., None]
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    shares = scores.softmax(-1)
    read = (shares.flatten(1, 2) @ source).unflatten(1, (heads.count, length))
    found = torch.einsum("nhud,hkd->nuhk", read, heads.split(heads.value.weight)).flatten(2)
    return found if heads.value.bias is None else found + heads.value.bias


def _turns(heads: Heads, states: Tensor, named: dict[str, Any]) -> bool:
    """Whether this is a cross-attention of few questions, whose keys nobody keeps."""
    kept = named.get("cache", named.get("past_key_values"))
    is_few = states.shape[1] * FEW * heads.count <= heads.key.out_features
    return named.get("key_value_states") is not None and kept is None and is_few


def _t5_answering(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """T5's cross-attention by ``cross`` where no keys are kept; all else as it is."""
    heads = Heads(self.q, self.k, self.v, self.n_heads, self.scaling)
    if given or not _turns(heads, hidden_states, named):
        return type(self).forward(self, hidden_states, *given, **named)
    found = self.o(cross(hidden_states, named["key_value_states"], named.get("mask"), heads))
    return found, named.get("position_bias"), None


def _bart_answering(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """BART's cross-attention by ``cross`` where no keys are kept; all else as it is."""
    heads = Heads(self.q_proj, self.k_proj, self.v_proj, self.num_heads, self.scaling)
    if given or not _turns(heads, hidden_states, named):
        return type(self).forward(self, hidden_states, *given, **named)
    mask = named.get("attention_mask")
    return self.out_proj(cross(hidden_states, named["key_value_states"], mask, heads)), None


def _t5_reading(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """T5's encoder: the first layer puts the mask into the bias that it hands to the others."""
    mask, bias = named.pop("mask", None), named.get("position_bias")
    if bias is None and mask is not None:
        length = hidden_states.shape[1]
        bias = self.compute_bias(length, length, device=hidden_states.device)
        hidden = torch.finfo(hidden_states.dtype).min
        named["position_bias"] = (
            torch.where(mask, bias, hidden) if mask.dtype == torch.bool else bias + mask
        )
    return type(self).forward(self, hidden_states, *given, **named)
