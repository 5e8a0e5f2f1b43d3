"""Say how much memory a device has, and back off to smaller batches where it is too little."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOMEM
from typing import TypeVar

import torch

from mpt.errors import OutOfMemory

Result = TypeVar("Result")

USABLE = 0.8
"""The fraction of free memory that a plan may use; the rest is for what no probe sees."""
_SHORT = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    # cuBLAS, cuDNN 8, cuSOLVER, cuSPARSE, cuFFT, hipBLAS; cuDNN 9; MIOpen; rocBLAS
    "alloc_failed",
    "allocation_failed",
    "allocfailed",
    "rocblas_status_memory_error",
    # names of the runtimes' codes, where their text is not shown
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    "hiperroroutofmemory",
    # a library's handle is made at its first product, for which a full device has no room; where
    # the library is what is broken, one row fails like many, and the message has the words
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
)
"""What allocators say, in lower case. CUDNN_STATUS_NOT_SUPPORTED, CUBLAS_STATUS_EXECUTION_FAILED
and CUBLAS_STATUS_INTERNAL_ERROR are not among them: they are of a shape, a kernel or a driver, and
fewer rows would only hide them."""


def free_memory(device: torch.device) -> float:
    """Return the bytes that a step may use: those free on a GPU, of a machine's half of them."""
    if device.type == "cuda":
        reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return USABLE * (torch.cuda.mem_get_info(device)[0] + reusable)
    return USABLE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2


@dataclass
class BackOff:
    """Run a computation on micro-batches of ``rows`` rows, half as many when memory runs out.

    Nothing is lost: steps are pure functions of the state, so a step is simply taken again, with
    the same result but for rounding.
    """

    rows: int
    runs: int
    device: torch.device
    halvings: int = 0

    def run(self, compute: Callable[[int], Result]) -> Result:
        """Return ``compute(rows)``, computed again with fewer rows while memory runs out.

        Raises:
            OutOfMemory: one row at a time is too much.
        """
        while True:
            try:
                return compute(self.rows)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                cause = cause_of(error)
            if self.rows == 1:
                raise OutOfMemory(self.runs, str(self.device), cause)
            self.rows, self.halvings = self.rows // 2, self.halvings + 1
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is an allocator's, of the device or of the machine."""
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # PyTorch passes on what its libraries say
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in _SHORT)


def cause_of(error: BaseException) -> str:
    """Return the first line of an error, or its name: Python's own MemoryError says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
