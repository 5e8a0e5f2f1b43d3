"""Hold threads and memory on a processor, and record what the last bits of results depend on.

In float32 a sum depends on how it is cut, and kernels cut their work by the number of threads and
by what the processor has. All of it is a function of the machine and the environment, and none of
what runs beside.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import torch

CHOOSERS = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Environment variables by which torch's libraries choose other kernels."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


def hold_threads() -> int:
    """Keep OpenMP and MKL from taking fewer threads while the machine is busy; their number.

    Both may be told to (``OMP_DYNAMIC``, ``MKL_DYNAMIC``). How many there are stays as it is: one
    for each core that the process may use, or as ``OMP_NUM_THREADS`` says.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).omp_set_dynamic(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads)  # which also ends MKL's own choice
    return threads


def compute_deterministically() -> None:
    """Take only kernels that give the same bits at every call, on a GPU too, from now on.

    torch raises ``RuntimeError`` where an operation has no such kernel. cuBLAS reads its
    variable when it is first used, so call this before a model is moved to a GPU.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def numerics(device: torch.device) -> dict[str, object]:
    """Return what two runs need in common for the same bits, beside configuration and software.

    Returns:
        ``device``: ``cpu`` or the name of the GPU; ``threads``; ``processor``: the instructions
        that torch's own kernels use; ``matmul``: torch's precision of float32 products;
        ``settings``: variables of ``CHOOSERS`` that are set, and whether torch is deterministic.
    """
    is_gpu = device.type == "cuda"
    settings = {name: os.environ[name] for name in CHOOSERS if name in os.environ}
    if torch.are_deterministic_algorithms_enabled():
        settings["deterministic"] = "1"
    return {
        "device": torch.cuda.get_device_name(device) if is_gpu else "cpu",
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "matmul": torch.get_float32_matmul_precision(),
        "settings": settings,
    }


def keep_large_blocks() -> bool:
    """Ask glibc to reuse blocks up to 1 GiB; True if it will.

    A step allocates the same large tensors again and again. By default each is mapped afresh and
    its pages are faulted in once more, which made big packs on a CPU slower than small ones.
    """
    mallopt = _glibc("mallopt")
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _KEPT))


def give_back_free_memory() -> bool:
    """Ask glibc to return what is free to the system; True if there was something to return."""
    trim = _glibc("malloc_trim")
    return bool(trim and trim(0))


def _glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None
