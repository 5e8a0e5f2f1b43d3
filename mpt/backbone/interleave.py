"""Join padded sequences without padding between them, by gathering.

An order ``[N, W]`` says which place of a joined tensor stands at each place of the interleaved one.
"""

from __future__ import annotations

import torch
from torch import Tensor


def appended(lengths: Tensor, first: int, second: int) -> Tensor:
    """Return the order that appends a second sequence to the real tokens of the first.

    Args:
        lengths: ``[N]``, real tokens of each row's first sequence, padded on the right.
        first: width of the first sequence; second: width of the second one.

    Returns:
        ``[N, first + second]`` over the two concatenated; the first one's padding comes last.
    """
    place = torch.arange(first + second, device=lengths.device)[None]
    lengths = lengths[:, None]
    inside = torch.where(place < lengths + second, place - lengths + first, place - second)
    return torch.where(place < lengths, place, inside)


def padded_left(lengths: Tensor, width: int) -> Tensor:
    """Return the order ``[N, width]`` that moves the padding of right-padded rows to the left."""
    place = torch.arange(width, device=lengths.device)[None]
    return (place - (width - lengths[:, None])) % width


def interleaved(joined: Tensor, order: Tensor) -> Tensor:
    """Return ``[N, W]`` ids or ``[N, W, H]`` states in the given order ``[N, W']``."""
    if joined.ndim == 2:
        return joined.gather(1, order)
    return joined.gather(1, order[..., None].expand(-1, -1, joined.shape[-1]))


def mask_of(lengths: Tensor, width: int) -> Tensor:
    """Return ``[N, width]``: 1 on each row's first ``lengths`` places."""
    return (torch.arange(width, device=lengths.device)[None] < lengths[:, None]).long()
