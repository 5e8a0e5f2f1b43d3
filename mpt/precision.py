"""Choose the number format that this machine computes fastest in."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from mpt.files.atomic import write_whole

Fastest = Literal["bf16", "fp32"]

SHAPE = (640, 576, 1536)
"""Rows, inner and outer width of the probed product: a pack's tokens through a small model."""
REPEATS = 8
GAIN = 1.2
"""How many times as fast as float32 bfloat16 must be: below that its rounding is not worth it."""


@cache
def fastest_precision() -> Fastest:
    """Return ``bf16`` where torch sees a GPU, or a CPU that multiplies it faster; else ``fp32``.

    A CPU is probed once and the answer is kept on disk, so that every process on a machine reads
    ``precision: auto`` alike. torch is imported late.
    """
    import torch

    if torch.cuda.is_available():
        return "bf16"
    if not _has_bf16_products():
        return "fp32"
    file = user_cache_path("mpt") / "precision" / _processor()
    with suppress(OSError):
        known = file.read_text()
        if known in ("bf16", "fp32"):
            return known
    fastest: Fastest = "bf16" if _bf16_gain() >= GAIN else "fp32"
    if file.is_absolute():
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, fastest.encode())
    return fastest


def _has_bf16_products() -> bool:
    """Whether the CPU has instructions for products of bfloat16: AVX512-BF16 or AMX."""
    import torch

    # torch before 2.13 does not tell
    known = getattr(torch.cpu, "get_capabilities", dict[str, object])()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def _processor() -> str:
    """Return 16 hex digits that name the processor and torch's version."""
    import torch

    name = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        parts = [line for line in lines if line.startswith(("vendor_id", "cpu family", "model"))]
        name = "\n".join(dict.fromkeys(parts))
    kinds = (platform.machine(), name, torch.backends.cpu.get_cpu_capability(), torch.__version__)
    return sha256("\n".join(kinds).encode()).hexdigest()[:16]


def _bf16_gain() -> float:
    """Return how many times as fast as in float32 a product is in bfloat16, best of ``REPEATS``."""
    import torch

    rows, inner, outer = SHAPE
    left, right = torch.ones(rows, inner), torch.ones(inner, outer)
    pairs = {dtype: (left.to(dtype), right.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(pairs, float("inf"))
    for _ in range(REPEATS):
        for dtype, pair in pairs.items():
            began = time.perf_counter()
            torch.mm(*pair)
            best[dtype] = min(best[dtype], time.perf_counter() - began)
    return best[torch.float32] / best[torch.bfloat16]
