"""Read many rows in passes that fit a device, and remember what was too much for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar
from weakref import WeakKeyDictionary

from mpt.backbone.frozen import Backbone
from mpt.engine.memory import BackOff

Item = TypeVar("Item")

TOKENS_PER_PASS = {"cpu": 4_096, "cuda": 16_384}
"""Padded tokens in one pass: large enough for the device, and on a CPU small enough for its caches
and for neighbours of like length."""

_fitting: WeakKeyDictionary[Backbone, int] = WeakKeyDictionary()
"""Padded tokens that a pass of a backbone was cut to when more were too many for its device."""


def in_passes(
    backbone: Backbone,
    runs: int,
    items: Iterable[Item],
    width: Callable[[Item], int],
    read: Callable[[list[Item]], None],
) -> None:
    """Call ``read`` with all items, the widest first, as many at a time as a pass holds.

    A pass that is too much for the device is read in halves, and later ones are as small.

    Args:
        backbone: that reads them.
        runs: number of prompts, for the error message.
        items: what is read; of equal width they stay in order.
        width: tokens of an item, its prompt among them.
        read: reads some items; called again for what ran out of memory.

    Raises:
        OutOfMemory: one item is too much.
    """
    ordered = sorted(items, key=width, reverse=True)
    while ordered:
        widest = width(ordered[0])
        tokens = _fitting.get(backbone, TOKENS_PER_PASS[backbone.device.type])
        size = max(1, tokens // widest)
        some, ordered = ordered[:size], ordered[size:]
        backoff = BackOff(len(some), runs, backbone.device)

        def cut(rows: int, some: list[Item] = some) -> None:
            for at in range(0, len(some), rows):
                read(some[at : at + rows])

        backoff.run(cut)
        if backoff.halvings:
            _fitting[backbone] = backoff.rows * widest
