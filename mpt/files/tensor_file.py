"""Tensors as the bytes of a safetensors file, where equal tensors and notes give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetensors.torch import save
from torch import Tensor


def tensor_bytes(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file of ``tensors``, with ``notes`` as its metadata.

    safetensors writes the metadata in another order in every process; here the header is sorted, so
    that a hash of the bytes depends only on the contents.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(ready, dict(notes))
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":"))
    packed = header.encode()
    # the format requires tensors to begin at a multiple of 8 bytes
    packed += b" " * (-len(packed) % 8)
    return len(packed).to_bytes(8, "little") + packed + data[8 + length :]


def notes_of(data: bytes) -> dict[str, str]:
    """Return the notes in the bytes of a valid safetensors file; empty if there are none."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})
