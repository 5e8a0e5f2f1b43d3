"""Initial soft prompts ``[P, H]``."""

from __future__ import annotations

import torch
from torch import Tensor

from mpt.seeding import Name, torch_stream

FREQUENT = 5000
"""Rows are drawn from this many of the most frequent tokens (Lester et al. 2021, section 3.2)."""


def from_vocabulary(table: Tensor, ordinary: Tensor, length: int, *stream: Name) -> Tensor:
    """Copies of the embeddings of ``length`` frequent tokens, without repetition where possible.

    Args:
        table: ``[V, H]`` input embeddings.
        ordinary: ids of ordinary tokens (no specials), most frequent first.
        length: P.
        stream: name of the random stream, see ``mpt.seeding``.

    Returns:
        ``[P, H]``, a new tensor.
    """
    pool = ordinary[:FREQUENT]
    draws = torch_stream("prompt", *stream)
    rounds = [torch.randperm(len(pool), generator=draws) for _ in range(-(-length // len(pool)))]
    chosen = pool[torch.cat(rounds)[:length]].to(table.device)
    return table[chosen].detach().clone()
