"""Compute on the GPU that Ray gave to a pack, in a process that computes many packs."""

from __future__ import annotations

import os
from collections.abc import Callable

_HIDES, _LEAVES = "CUDA_VISIBLE_DEVICES", "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"


def use_assigned_gpu(forget: Callable[[], None]) -> None:
    """Make the GPU that Ray assigned to this task the current one of the process.

    Ray hides all other GPUs from the process, and CUDA reads only once which are visible: a process
    that is given another GPU for its next pack would go on with the first. So all are made visible,
    and the current one is set.

    Args:
        forget: drops what the process has loaded onto the GPU that it had before.
    """
    import ray
    import torch

    ids = ray.get_gpu_ids()
    # names of slices of a GPU have no place in torch's order: there Ray's own way must do
    if not torch.backends.cuda.is_built() or len(ids) != 1 or not str(ids[0]).isdigit():
        return
    os.environ.pop(_HIDES, None)
    os.environ[_LEAVES] = "1"
    gpu = int(ids[0])
    if torch.cuda.current_device() != gpu:
        forget()
        torch.cuda.set_device(gpu)
