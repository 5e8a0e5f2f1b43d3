"""Cut a batch into length buckets, where that saves more padding than a pass costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from mpt.backbone.batch import Batch

PASS_COSTS: Mapping[str, int] = MappingProxyType({"cpu": 256, "cuda": 4_096})
"""Tokens whose work equals what a pass costs whatever it holds. On two CPU cores it was 120 (the
embedded backbone) to 220 (T5 of width 256); a GPU, which is filled by large passes only, is given
more."""


def buckets(batch: Batch, cost: int, *, whole_runs: bool) -> list[list[int]]:
    """Cut rows sorted by length so that padding and passes together cost least, greedily.

    Args:
        batch: rows of any lengths, on the CPU.
        cost: of one more pass, in tokens.
        whole_runs: never part the rows of a run, whose prompt is read once per pass.

    Returns:
        Every row once, shortest first; one bucket where cutting does not pay.
    """
    lengths = (batch.input_mask.sum(1) + (batch.target != -100).sum(1)).numpy()
    if whole_runs:
        longest = np.zeros(batch.runs, lengths.dtype)
        np.maximum.at(longest, batch.run_of_row.numpy(), lengths)
        lengths = longest[batch.run_of_row.numpy()]
    order = np.argsort(lengths, kind="stable")
    return [order[cut].tolist() for cut in _cuts(lengths[order], cost, 0, len(order))]


def cut(batch: Batch, rows: int, device: str, *, whole_runs: bool) -> tuple[Batch, ...]:
    """Cut a batch on the CPU into its length buckets, of at most ``rows`` rows each.

    Args:
        batch: rows of any lengths.
        rows: of a piece at most.
        device: the type of the one that will read them.
        whole_runs: see ``buckets``.
    """
    rows_of_bucket = buckets(batch, PASS_COSTS[device], whole_runs=whole_runs)
    if len(rows_of_bucket) == 1 and rows >= len(batch):
        return (batch,)
    return tuple(piece for bucket in rows_of_bucket for piece in batch.rows(bucket).pieces(rows))


def _cuts(lengths: np.ndarray, cost: int, low: int, high: int) -> Iterator[slice]:
    """Slices of rows sorted by length; rows of equal length are never parted."""
    saved = np.arange(1, high - low) * (lengths[high - 1] - lengths[low : high - 1])
    if not len(saved) or saved.max() <= cost:
        yield slice(low, high)
        return
    middle = low + int(saved.argmax()) + 1
    yield from _cuts(lengths, cost, low, middle)
    yield from _cuts(lengths, cost, middle, high)
