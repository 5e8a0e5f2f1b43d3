"""One instance of a skill, before a task puts it into its own template and label words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from zlib import crc32

BUCKETS = 4
"""Number of parts that items are divided into by hash: part 0 is the gym's, the others are used in
pretraining, so that no text of the gym was seen in pretraining."""


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
        """Tell whether the item belongs to the gym: a function of its texts, not of its answer."""
        texts = "\x1f".join((self.text, self.other, *sorted(self.options)))
        return crc32(texts.encode()) % BUCKETS == 0


Sampler: TypeAlias = Callable[[Random], Item]
"""A function that draws an item; every skill of the mini world is a sampler."""


def draw(sampler: Sampler, rng: Random, *, held_out: bool) -> Item:
    """Draw an item of the gym's part (``held_out``) or of pretraining's, by rejection."""
    while True:
        item = sampler(rng)
        if item.held_out == held_out:
            return item
