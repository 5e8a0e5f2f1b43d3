"""One instance of a skill, before any task has dressed it in its own words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from zlib import crc32

BUCKETS = 4
"""Item space is cut into this many parts by hash; the gym owns part 0, pretraining the others."""


@dataclass(frozen=True, slots=True)
class Item:
    """A text (or two), perhaps a question with options, and the canonical answer.

    Attributes:
        text: the sentence, story, list or request.
        answer: a canonical label such as ``good``, or the text wanted.
        other: a second sentence, a question or an aspect.
        options: the answers offered by a multiple choice.
    """

    text: str
    answer: str
    other: str = ""
    options: tuple[str, ...] = ()

    @property
    def held_out(self) -> bool:
        """Whether the gym owns this item: a function of its texts, never of its answer."""
        texts = "\x1f".join((self.text, self.other, *sorted(self.options)))
        return crc32(texts.encode()) % BUCKETS == 0


Sampler: TypeAlias = Callable[[Random], Item]
"""Draws an item; every skill of the mini world is one of these."""


def draw(sampler: Sampler, rng: Random, *, held_out: bool) -> Item:
    """An item of the gym's part (``held_out``) or of pretraining's, by rejection."""
    while True:
        item = sampler(rng)
        if item.held_out == held_out:
            return item
