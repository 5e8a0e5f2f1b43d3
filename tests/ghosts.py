"""A GPU that is not there: backbones and jobs on the ghost device of the reference material.

Values are computed on the CPU; devices may not be mixed, and waits, copies and bytes are counted.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tiny import TINY

GHOST = torch.device("cuda", 0)


def ghost_cuda(shared: Path) -> ModuleType:
    """The ghost's module; skips where it is absent."""
    file = shared / "tools" / "ghost_cuda.py"
    if not file.exists():
        pytest.skip(f"no ghost device at {file}; set MPT_SHARED to run this test")
    spec = spec_from_file_location("ghost_cuda", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def haunted(kind: str, dtype: torch.dtype = torch.float32, **options) -> Any:
    """A tiny backbone on the ghost; to be made while it is entered."""
    backbone = on_ghost(TINY[kind](0, dtype, **options))
    model = backbone.model
    return type(backbone)(model, backbone.tokenizer, backbone.weights, backbone.place)


def sent(job: Any) -> Any:
    """A job with its start on the ghost."""
    return replace(job, start=job.start.to(GHOST))


def on_ghost(copy: Any) -> Any:
    """A backbone, all its weights on the ghost; what is tied stays so, as it does on a GPU."""
    there: dict[int, torch.nn.Parameter] = {}
    for part in copy.model.modules():
        for name, weight in part._parameters.items():
            if weight is not None and id(weight) not in there:
                asks = weight.requires_grad
                there[id(weight)] = torch.nn.Parameter(weight.detach().to(GHOST), asks)
            part._parameters[name] = None if weight is None else there[id(weight)]
        for name, buffer in part._buffers.items():
            part._buffers[name] = None if buffer is None else buffer.to(GHOST)
    return copy
