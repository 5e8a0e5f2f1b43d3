"""Initialise a soft prompt: the rows ``[P, H]`` before anything is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from mpt.config import PROMPT_INITS
from mpt.errors import ConfigError, UnknownName
from mpt.seeding import Name, torch_stream

FREQUENT = 5000
"""Rows are drawn from this many of the most frequent tokens (Lester et al. 2021, section 3.2)."""


class Words(Protocol):
    """The part of a backbone that prompts begin with."""

    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """See ``Backbone.words``."""
        ...

    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """See ``Backbone.vocabulary_prompt``."""
        ...


def from_vocabulary(ordinary: Tensor, length: int, *stream: Name) -> Tensor:
    """Draw ids of ``length`` frequent tokens, without repetition where possible.

    Args:
        ordinary: ids of ordinary tokens (no specials), most frequent first.
        length: P.
        stream: name of the random stream, see ``mpt.seeding``.

    Returns:
        ``[P]`` ids.
    """
    pool = ordinary[:FREQUENT]
    draws = torch_stream("prompt", *stream)
    rounds = [torch.randperm(len(pool), generator=draws) for _ in range(-(-length // len(pool)))]
    return pool[torch.cat(rounds)[:length]]


def begin(
    backbone: Words,
    how: str,
    length: int,
    *stream: Name,
    tasks: Sequence[str] = (),
    labels: Callable[[], Sequence[str]] = tuple,
    saved: Callable[[str], Tensor] | None = None,
) -> Tensor:
    """Make the initial prompt ``[P, H]`` that ``BackboneConfig.prompt_init`` names.

    Args:
        backbone: whose embedding table it is made of.
        how: ``vocabulary`` rows of frequent tokens; ``tasks``: one row per task name, the mean of
            its words, then vocabulary rows, as the paper's authors begin; ``labels``: the same of
            labels (Lester et al. 2021, section 3.2); ``random``: normal with
            the spread of the vocabulary rows; ``text:WORDS``: the words' rows, repeated until all
            rows are filled; ``prompt:DIGEST``: the prompt that a unit of the ledger learned.
        length: P.
        stream: name of the random stream.
        tasks: names for ``tasks``; labels: gives those for ``labels``.
        saved: reads a learned prompt by its digest, for ``prompt:``.

    Raises:
        UnknownName: no such start.
        ConfigError: a text without words, or a learned prompt of another shape.
    """
    kind, _, rest = how.partition(":")
    common = backbone.vocabulary_prompt(length, *stream)
    match kind:
        case "vocabulary":
            return common
        case "tasks":
            return _means(backbone, tasks, common)
        case "labels":
            return _means(backbone, list(dict.fromkeys(labels())), common)
        case "random":
            noise = torch.randn(common.shape, generator=torch_stream("prompt noise", *stream))
            return common.mean() + common.std() * noise.to(common)
        case "text":
            (rows,) = backbone.words([rest])
            if not len(rows):
                raise ConfigError(
                    f"prompt start {how!r} holds no words",
                    fix="give text:some words",
                )
            return rows.repeat(-(-length // len(rows)), 1)[:length]
        case "prompt" if saved:
            return _fitting(saved(rest).to(common), common, how)
        case _:
            raise UnknownName("prompt start", kind, PROMPT_INITS)


def _means(backbone: Words, names: Sequence[str], common: Tensor) -> Tensor:
    """Return a row per name, the mean of its words, and ``common`` rows ``[P, H]`` after them."""
    length = len(common)
    plain = [name.replace("_", " ").replace("-", " ") for name in names[:length]]
    # tokenizers of transformers refuse a list of no texts
    rows = [word.mean(0) for word in backbone.words(plain) if len(word)] if plain else []
    return torch.cat([torch.stack(rows), common])[:length] if rows else common


def _fitting(prompt: Tensor, wanted: Tensor, how: str) -> Tensor:
    if prompt.shape != wanted.shape:
        raise ConfigError(
            f"prompt start {how!r} is {list(prompt.shape)}, but this study's prompts are "
            f"{list(wanted.shape)} (tokens x width)",
            fix="give a prompt of the same backbone and length",
        )
    return prompt
