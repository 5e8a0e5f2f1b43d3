"""The padded batch of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mpt.gym.tokens import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """N rows of R runs, padded on the right.

    Attributes:
        input: ids ``[N, T]``; input_mask: ``[N, T]``, 1 on tokens, 0 on padding.
        target: ids ``[N, U]``, ``-100`` on padding.
        run_of_row: ``[N]``, which prompt each row carries.
        runs: R.
    """

    input: Tensor
    input_mask: Tensor
    target: Tensor
    run_of_row: Tensor
    runs: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("input", "input_mask", "target", "run_of_row")
        }
        return replace(self, **moved)

    def rows(self, rows: Sequence[int]) -> Batch:
        """Some of the rows, with the same runs and padding."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.input.device)
        return Batch(
            self.input[index],
            self.input_mask[index],
            self.target[index],
            self.run_of_row[index],
            self.runs,
        )


def collate(rows_of_run: Sequence[Sequence[Row]]) -> Batch:
    """One batch of all runs' rows; ``rows_of_run[r]`` are those of run r, kept together."""
    rows = [row for rows in rows_of_run for row in rows]
    run_of_row = np.repeat(np.arange(len(rows_of_run)), [len(rows) for rows in rows_of_run])
    ids = _padded([row.input for row in rows], 0)
    mask = _padded([np.ones(len(row.input), np.int64) for row in rows], 0)
    target = _padded([row.target for row in rows], -100)
    return Batch(ids, mask, target, torch.from_numpy(run_of_row), len(rows_of_run))


def _padded(rows: Sequence[np.ndarray], value: int) -> Tensor:
    out = np.full((len(rows), max((len(row) for row in rows), default=1)), value, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(out)
