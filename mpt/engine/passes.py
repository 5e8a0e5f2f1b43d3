"""Read many rows in passes that fit a device, and remember what was too much for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar
from weakref import WeakKeyDictionary

from mpt.backbone.frozen import Backbone
from mpt.engine.footprint import Line, line, peak_of
from mpt.engine.memory import BackOff, free_memory

Item = TypeVar("Item")

TOKENS_PER_PASS = {"cpu": 4_096, "cuda": 16_384}
"""Padded tokens in one pass: large enough for the device, and on a CPU small enough for its caches
and for neighbours of like length. A GPU takes more at once where its memory holds them."""

PROBED, WIDTHS = 16, 64
"""Items of the larger probe of a GPU; and passes are probed anew by so many tokens of width."""

_fitting: WeakKeyDictionary[Backbone, int] = WeakKeyDictionary()
"""Padded tokens that a pass of a backbone was cut to when more were too many for its device."""

_lines: WeakKeyDictionary[Backbone, dict[Hashable, Line]] = WeakKeyDictionary()
"""Bytes of a backbone's passes on a GPU, by their kind and width."""


def in_passes(
    backbone: Backbone,
    runs: int,
    items: Iterable[Item],
    width: Callable[[Item], int],
    read: Callable[[list[Item]], None],
    *,
    worst: Callable[[list[Item]], object],
    kind: Hashable,
) -> None:
    """Call ``read`` with all items, the widest first, as many at a time as a pass holds.

    On a CPU that is a number of tokens; on a GPU as many as its memory has room for, keys and
    values of the longest answers included. A pass that is too much all the same is read in halves,
    and later ones are as small.

    Args:
        backbone: that reads them.
        runs: number of prompts, for the error message.
        items: what is read; of equal width they stay in order.
        width: tokens of an item, its prompt among them.
        read: reads some items; called again for what ran out of memory.
        worst: reads some items so that it takes the most memory that ``read`` may take.
        kind: what the memory of a pass depends on besides its items and their width.

    Raises:
        OutOfMemory: one item is too much.
    """
    ordered = sorted(items, key=width, reverse=True)
    while ordered:
        widest = width(ordered[0])
        size = max(1, TOKENS_PER_PASS[backbone.device.type] // widest)
        if backbone.device.type == "cuda" and len(ordered) > size:
            size = _line(backbone, runs, ordered, (kind, -(-widest // WIDTHS)), worst).rows(
                free_memory(backbone.device)
            )
        size = min(size, max(1, _fitting.get(backbone, size * widest) // widest))
        some, ordered = ordered[:size], ordered[size:]
        backoff = BackOff(len(some), runs, backbone.device)

        def cut(rows: int, some: list[Item] = some) -> None:
            for at in range(0, len(some), rows):
                read(some[at : at + rows])

        backoff.run(cut)
        if backoff.halvings:
            _fitting[backbone] = backoff.rows * widest


def _line(
    backbone: Backbone,
    runs: int,
    ordered: list[Item],
    key: Hashable,
    worst: Callable[[list[Item]], object],
) -> Line:
    """Bytes of a pass by its items, probed once per kind of pass and width."""
    lines = _lines.setdefault(backbone, {})
    if key not in lines:

        def probed(more: int) -> Line:
            few, device = max(1, more // 2), backbone.device
            worst(ordered[:1])  # libraries allocate what they need for themselves
            low, high = (peak_of(lambda n=n: worst(ordered[:n]), device) for n in (few, more))
            return line(few, low, more, high)

        lines[key] = BackOff(min(PROBED, len(ordered)), runs, backbone.device).run(probed)
    return lines[key]
