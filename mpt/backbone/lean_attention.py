"""Compute attention of encoder-decoders without work that an answer of few tokens does not need.

A decoder projects every state of the encoder to keys and values, however few its queries are: a
seventh of all multiplications of T5. Keys are linear in the states, so that the key projection can
be absorbed into the query, q (W_k x) = (W_k' q) x; and so are values: read states first, then
project what was read. The answer is the same, the work is that of the few queries (``cross``).

And T5 adds its position bias to the mask in every layer of the encoder anew, though both stay the
same (``_t5_encoder_forward``).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

FEW = 4
"""The projection is absorbed for up to a head's width divided by this queries; above, keys are
cheaper."""

_T5 = ("T5Attention", "MT5Attention")
_BART = ("BartAttention", "MBartAttention")


def lean_attention(model: Any) -> Any:
    """Compute the attention of T5 and BART kinds so, in place; other models stay as they are.

    Methods are bound to their modules, so that a copy of the model has its own.
    """
    for module in model.modules():
        name = type(module).__name__
        if name in _T5:
            module.forward = MethodType(
                _t5_decoder_forward if module.is_decoder else _t5_encoder_forward, module
            )
        elif name in _BART and module.is_decoder:
            module.forward = MethodType(_bart_decoder_forward, module)
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
        """Return ``[heads, K, D]`` of a projection's weight ``[heads * K, D]``."""
        return weight.unflatten(0, (self.count, -1))


def cross(states: Tensor, source: Tensor, mask: Tensor | None, heads: Heads) -> Tensor:
    """Return ``[N, U, D]``: what ``states [N, U, D]`` read from ``source [N, S, D]``, before W_o.

    Args:
        mask: ``[N, 1, 1 or U, S]``, true where a query may attend, or what is added to scores.
    """
    length = states.shape[1]
    queries = heads.query(states).unflatten(-1, (heads.count, -1)) * heads.scaling
    absorbed = torch.einsum("nuhk,hkd->nhud", queries, heads.split(heads.key.weight))
    scores = (absorbed.flatten(1, 2) @ source.mT).unflatten(1, (heads.count, length))
    if heads.key.bias is not None:
        scores = scores + (queries * heads.split(heads.key.bias)).sum(-1).mT[..., None]
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1)
    read = (weights.flatten(1, 2) @ source).unflatten(1, (heads.count, length))
    values = torch.einsum("nhud,hkd->nuhk", read, heads.split(heads.value.weight)).flatten(2)
    return values if heads.value.bias is None else values + heads.value.bias


def _absorbs(heads: Heads, states: Tensor, named: dict[str, object]) -> bool:
    """Whether this is a cross-attention of few queries, whose keys are not cached."""
    cache = named.get("cache", named.get("past_key_values"))
    is_few = states.shape[1] * FEW * heads.count <= heads.key.out_features
    return named.get("key_value_states") is not None and cache is None and is_few


def _t5_decoder_forward(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """Compute T5's cross-attention by ``cross`` where no keys are cached; all else as it is."""
    heads = Heads(self.q, self.k, self.v, self.n_heads, self.scaling)
    if given or not _absorbs(heads, hidden_states, named):
        return type(self).forward(self, hidden_states, *given, **named)
    attended = self.o(cross(hidden_states, named["key_value_states"], named.get("mask"), heads))
    return attended, named.get("position_bias"), None


def _bart_decoder_forward(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """Compute BART's cross-attention by ``cross`` where no keys are cached; all else as it is."""
    heads = Heads(self.q_proj, self.k_proj, self.v_proj, self.num_heads, self.scaling)
    if given or not _absorbs(heads, hidden_states, named):
        return type(self).forward(self, hidden_states, *given, **named)
    mask = named.get("attention_mask")
    return self.out_proj(cross(hidden_states, named["key_value_states"], mask, heads)), None


def _t5_encoder_forward(self: Any, hidden_states: Tensor, *given: Any, **named: Any) -> Any:
    """Let the first layer of T5's encoder put the mask into the bias that the others are given."""
    mask, bias = named.pop("mask", None), named.get("position_bias")
    if bias is None and mask is not None:
        length = hidden_states.shape[1]
        bias = self.compute_bias(length, length, device=hidden_states.device)
        hidden = torch.finfo(hidden_states.dtype).min
        named["position_bias"] = (
            torch.where(mask, bias, hidden) if mask.dtype == torch.bool else bias + mask
        )
    return type(self).forward(self, hidden_states, *given, **named)
