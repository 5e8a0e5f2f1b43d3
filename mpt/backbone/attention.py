"""Choose and describe the attention kernels of what is computed.

Fused kernels are the fastest, but refuse to be differentiated twice; exact MAML asks for plain
matrix products there, and there alone.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

TWICE = "sdpa math"
"""The kernel of losses that are differentiated twice."""


@contextmanager
def differentiable_twice(device: torch.device) -> Generator[None]:
    """Compute attention within it so that its gradient can be differentiated again.

    On a GPU a model in bfloat16 stays in it, where torch would compute these products in float32,
    on other units than those that it has for bfloat16.
    """
    settings = torch.backends.cuda
    usual = settings.fp16_bf16_reduction_math_sdp_allowed()
    settings.allow_fp16_bf16_reduction_math_sdp(usual or device.type == "cuda")
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        settings.allow_fp16_bf16_reduction_math_sdp(usual)


def described(config: Any, device: torch.device) -> str:
    """Name the kernels of a model with this configuration: for one gradient, and for two."""
    if config._attn_implementation == "eager":
        return f"eager ({config.model_type} has no sdpa)"
    return f"{fused(device)}; twice: {TWICE}"


def fused(device: torch.device) -> str:
    """Name the kernels that torch may choose from where one gradient is enough."""
    if device.type != "cuda":
        return "sdpa flash (cpu)"
    on = {
        "flash": torch.backends.cuda.flash_sdp_enabled(),
        "mem-efficient": torch.backends.cuda.mem_efficient_sdp_enabled(),
        "cudnn": torch.backends.cuda.cudnn_sdp_enabled(),
    }
    return f"sdpa {' or '.join(name for name, enabled in on.items() if enabled) or 'math'}"
