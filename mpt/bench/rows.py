"""Rows for benchmarks: random tokens, with lengths between half the limit and the limit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mpt.bench.shapes import BenchModel
from mpt.gym.tokens import TokenRow
from mpt.seeding import stream


def random_rows(model: BenchModel, count: int, target: int, *name: str | int) -> list[TokenRow]:
    """Draw ``count`` rows with targets of ``target`` tokens."""
    draws = stream("bench", model.name, *name)
    high = min(model.ours.embed.weight.shape[0], 1000)

    def ids(length: int) -> np.ndarray:
        return draws.integers(5, high, length).astype(np.int64)

    lengths = draws.integers(model.input // 2, model.input + 1, count)
    lengths[0] = model.input
    return [TokenRow(ids(int(length)), ids(target)) for length in lengths]


def prompts(model: BenchModel, runs: int) -> Tensor:
    """Return prompts ``[R, P, H]`` initialised from vocabulary rows."""
    rows = [model.ours.vocabulary_prompt(model.prompt, "bench", run) for run in range(runs)]
    return torch.stack(rows).to(model.ours.device, model.ours.dtype)
