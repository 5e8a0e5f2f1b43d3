"""Turn texts into token ids and embeddings of a backbone, and ids into texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpt.backbone.prompt import from_vocabulary
from mpt.errors import ConfigError
from mpt.gym.tokens import Role
from mpt.seeding import Name


class Vocabulary:
    """A tokenizer and the embedding table that its ids point into.

    Encoder-decoders read and write texts as their tokenizer frames them. A causal model reads one
    sequence: its inputs carry no special tokens, since the target goes on where the input stops,
    and its targets begin with a space and end with the end of sequence.
    """

    def __init__(self, tokenizer: Any, embed: nn.Embedding, *, causal: bool) -> None:
        if tokenizer.eos_token_id is None:
            raise ConfigError(
                "the tokenizer names no end-of-sequence token, so that no answer could ever end",
                fix="set its eos_token",
            )
        self.tokenizer = tokenizer
        self.embed = embed
        self.causal = causal

    def encode(self, texts: Sequence[str], limit: int, role: Role = "input") -> list[np.ndarray]:
        """See ``Backbone.encode``."""
        if not texts:
            return []
        if not self.causal:
            ids = self.tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
            return [np.asarray(row, np.int64) for row in ids]
        if role == "input":
            return [np.asarray(row[:limit], np.int64) for row in self._plain(texts)]
        end = [self.tokenizer.eos_token_id]
        rows = self._plain([f" {text}" for text in texts])
        return [np.asarray(row[: limit - 1] + end, np.int64) for row in rows]

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """See ``Backbone.decode``."""
        texts = self.tokenizer.batch_decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [text.strip() for text in texts]

    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """See ``Backbone.words``."""
        return [self._rows(torch.tensor(row, dtype=torch.int64)) for row in self._plain(texts)]

    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """See ``Backbone.vocabulary_prompt``; token ids fall in about the order of frequency, by
        the likelihood of SentencePiece's pieces and by the merges of byte-pair encoding."""
        return self._rows(from_vocabulary(self.ordinary_ids(), length, *stream))

    def nearest(self, prompt: Tensor, count: int) -> list[list[tuple[str, float]]]:
        """See ``Backbone.nearest``; tokens as the tokenizer writes them, its space marks too."""
        ordinary = self.ordinary_ids()
        table = F.normalize(self._rows(ordinary).float(), dim=-1)
        cosines = F.normalize(prompt.to(table), dim=-1) @ table.T
        values, places = cosines.topk(min(count, len(ordinary)))
        names = [
            self.tokenizer.convert_ids_to_tokens(ordinary[row].tolist()) for row in places.cpu()
        ]
        return [
            list(zip(row, near, strict=True))
            for row, near in zip(names, values.tolist(), strict=True)
        ]

    def ordinary_ids(self) -> Tensor:
        """Return the ids of the tokens that are not special."""
        special = set(self.tokenizer.all_special_ids)
        size = min(len(self.tokenizer), int(self.embed.weight.shape[0]))
        return torch.tensor([i for i in range(size) if i not in special])

    def _plain(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def _rows(self, ids: Tensor) -> Tensor:
        """``[T, H]`` as the model reads them: some scale their embeddings."""
        device = self.embed.weight.device
        return self.embed(ids.to(device)).clone()
