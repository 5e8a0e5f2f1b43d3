"""Random streams that depend on what is computed and on nothing else.

A stream is named by a path such as ``("meta", digest, step)``. Nothing is global and nothing is
consumed, so a resumed run, a packed run and a run alone draw exactly the same numbers.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Name = str | int


def entropy(*path: Name) -> int:
    """128 bits that are a function of ``path`` alone, on every machine and Python."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in path)
    return int.from_bytes(sha256(text.encode()).digest()[:16], "big")


def stream(*path: Name) -> np.random.Generator:
    """A NumPy generator for the stream named by ``path``."""
    return np.random.Generator(np.random.PCG64(entropy(*path)))


def torch_stream(*path: Name) -> torch.Generator:
    """A CPU torch generator for the stream named by ``path``."""
    import torch  # late: much that needs a stream of numbers needs no tensors

    return torch.Generator().manual_seed(entropy(*path) % 2**63)
