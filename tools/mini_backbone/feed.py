"""Batches of pretraining documents, tokenised word by word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tools.mini_backbone.corpus import SENTINELS, Doc, Mixture, document

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Feed:
    """One batch of documents of similar length.

    Attributes:
        input: ids ``[N, T]``, 0 on padding; mask: ``[N, T]``.
        target: ids ``[N, U]``, ``-100`` on padding.
        weights: ``[N, U]``, sum 1; a document's tokens together weigh the root of their number, so
            that neither long answers nor one-word labels rule the loss.
    """

    input: Tensor
    mask: Tensor
    target: Tensor
    weights: Tensor


class Reader:
    """Token ids of documents: the tokenizer's own result, without its cost for known words."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        marks = [f"<extra_id_{i}>" for i in range(SENTINELS)]
        self._known: dict[str, Ids] = {
            mark: [tokenizer.convert_tokens_to_ids(mark)] for mark in marks
        }
        self._end = int(tokenizer.eos_token_id)

    def __call__(self, doc: Doc) -> tuple[Ids, Ids]:
        """Ids of source and target, each with its end of sequence."""
        return self._text(doc.source), self._text(doc.target)

    def _text(self, text: str) -> Ids:
        row: Ids = []
        for word in text.split(" "):
            if word not in self._known:
                found = self._tokenizer(word, add_special_tokens=False)["input_ids"]
                if len(found) > 1:  # made up: not worth a place in the table
                    row += found
                    continue
                self._known[word] = found
            row += self._known[word]
        return [*row, self._end]


def feed(
    tokenizer: Any,
    rng: Random,
    *,
    batch: int,
    shares: Callable[[], Mapping[str, float]],
    pool: int = 32,
) -> Iterator[Feed]:
    """Endless batches; ``pool`` of them are drawn at once, under the ``shares`` of the moment, and
    sorted by length."""
    read, mix = Reader(tokenizer), Mixture()
    while True:
        now = shares()
        docs = [read(document(rng, mix, now)) for _ in range(pool * batch)]
        docs.sort(key=lambda doc: (len(doc[0]), len(doc[1])))
        cuts = list(range(0, len(docs), batch))
        rng.shuffle(cuts)
        for cut in cuts:
            yield _collate(docs[cut : cut + batch])


def _collate(docs: list[tuple[Ids, Ids]]) -> Feed:
    inputs, targets = (max(len(doc[side]) for doc in docs) for side in (0, 1))
    ids = np.zeros((len(docs), inputs), np.int64)
    labels = np.full((len(docs), targets), -100, np.int64)
    weights = np.zeros(labels.shape, np.float32)
    for row, (source, target) in enumerate(docs):
        ids[row, : len(source)] = source
        labels[row, : len(target)] = target
        weights[row, : len(target)] = len(target) ** -0.5
    mask = (ids != 0).astype(np.int64)
    ids, mask, labels, weights = map(torch.from_numpy, (ids, mask, labels, weights / weights.sum()))
    return Feed(ids, mask, labels, weights)
