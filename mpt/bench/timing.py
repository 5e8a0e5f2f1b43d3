"""Paired, alternating timings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Measure:
    """One line of a benchmark.

    Attributes:
        what: the work.
        peer: what mpt is compared with.
        ours, theirs: medians, in ``unit``.
        ratio: median over pairs of theirs / ours; above 1, mpt is faster or smaller.
        low, high: the smallest and the largest ratio of a pair.
        note: a remark.
    """

    what: str
    peer: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    low: float
    high: float
    note: str = ""


def seconds(work: Work, device: torch.device) -> float:
    """Measure the wall time of one call, including the device's queue."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def alternate(
    what: str, ours: Work, peers: Mapping[str, Work], device: torch.device, *, pairs: int
) -> list[Measure]:
    """Time ``ours`` and every peer in turn, ``pairs`` times after one warm-up of each."""
    for work in (ours, *peers.values()):
        work()
    rounds = [
        [seconds(work, device) for work in (ours, *peers.values())] for _ in range(max(1, pairs))
    ]
    return [
        compare(what, peer, [times[0] for times in rounds], [times[n] for times in rounds], "s")
        for n, peer in enumerate(peers, start=1)
    ]


def compare(
    what: str, peer: str, ours: list[float], theirs: list[float], unit: str, note: str = ""
) -> Measure:
    """Make a measure of paired values."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    mid = median(ratios)
    return Measure(
        what, peer, median(ours), median(theirs), unit, mid, min(ratios), max(ratios), note
    )
