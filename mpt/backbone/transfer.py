"""Move values between this machine's memory and a device, and wait for them as little as possible.

A copy from ordinary memory makes the host wait until the device has done all that it was given
before. One from pinned memory is queued like a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sent(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors of one type on a device, moved in one copy."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    # without a context there is no driver that could pin memory
    flat = flat.pin_memory() if torch.cuda.is_initialized() else flat
    parts = flat.to(device, non_blocking=True).split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def copy_all(values: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    """Copy tensors into others of the same shapes, in few kernels, as torch's optimisers do."""
    torch._foreach_copy_(list(into), list(values))  # type: ignore[reportPrivateUsage]


class Reading:
    """Values on their way from a device, behind what it computes now and ahead of what comes."""

    def __init__(self, values: Tensor) -> None:
        self._values, self._arrival = values, None
        if values.is_cuda:
            self._values = values.to("cpu", non_blocking=True)
            if torch.cuda.is_initialized():
                self._arrival = torch.cuda.current_stream(values.device).record_event()

    def wait(self) -> Tensor:
        """Return the values in this machine's memory, once they have come."""
        if self._arrival is not None:
            self._arrival.synchronize()
        return self._values
