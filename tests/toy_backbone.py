"""Provide a backbone that can be checked by hand: one linear layer over embeddings, for tests.

The state of a row is its prompt's mean plus its input's mean embedding; target token u is read from
that state plus the embedding of the target token before it. It obeys the whole ``Backbone``
contract in float64 and takes microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpt.backbone.batch import Answers, Batch, per_run, spread, summed_losses
from mpt.backbone.prompt import from_vocabulary
from mpt.backbone.trainable import Recomputation
from mpt.gym.tokens import Role
from mpt.notation import Losses, Prompts
from mpt.seeding import Name, torch_stream

END = 1
_LETTERS = "abcdefghijklmnopqrstuvwxyz ."


class ToyBackbone:
    """Letters as tokens (0 padding, 1 end), width H, weights drawn from ``seed``."""

    def __init__(self, width: int = 8, seed: int = 0) -> None:
        draws = torch_stream("toy", width, seed)
        vocabulary = len(_LETTERS) + 2
        self.table = torch.randn(vocabulary, width, generator=draws, dtype=torch.float64)
        self.head = torch.randn(width, vocabulary, generator=draws, dtype=torch.float64)
        self.device, self.dtype = torch.device("cpu"), torch.float64
        self.weights = f"toy-{width}-{seed}"
        self.attention = "none"
        self.shares_prompt = False
        self.recomputation = Recomputation()

    def losses(self, theta: Prompts, batch: Batch) -> Losses:
        """See ``Backbone.losses``."""
        logits = self._logits(theta, batch, batch.target)
        each = F.cross_entropy(logits.transpose(1, 2), batch.target, reduction="none")
        return per_run(each.sum(-1), batch)

    def losses_twice_differentiable(self, theta: Prompts, batch: Batch) -> Losses:
        """See ``Backbone.losses_twice_differentiable``."""
        return self.losses(theta, batch)

    @torch.inference_mode()
    def teacher_forced_argmax(self, theta: Prompts, batch: Batch) -> Tensor:
        """See ``Backbone.teacher_forced_argmax``."""
        return self._logits(theta, batch, batch.target).argmax(-1)

    @torch.inference_mode()
    def log_likelihoods(self, theta: Prompts, batch: Batch, answers: Answers) -> Tensor:
        """See ``Backbone.log_likelihoods``."""
        asked = batch.rows(answers.row.tolist())
        return -summed_losses(self._logits(theta, asked, answers.target), answers.target)

    @torch.inference_mode()
    def generate(
        self, theta: Prompts, batch: Batch, limit: int, beams: int = 1, *, whole: bool = False
    ) -> list[str]:
        """See ``Backbone.generate``; beams are not played with, and every text is whole."""
        written = torch.zeros(len(batch.input), 0, dtype=torch.int64)
        for _ in range(limit):
            padded = F.pad(written, (0, 1))
            token = self._logits(theta, batch, padded)[:, -1].argmax(-1, keepdim=True)
            written = torch.cat([written, token], 1)
        return self.decode(list(written.numpy()))

    def encode(self, texts: Sequence[str], limit: int, role: Role = "input") -> list[np.ndarray]:
        """See ``Backbone.encode``; letters that are not known are read as full stops."""
        ids = [[_LETTERS.find(c) + 2 if c in _LETTERS else 29 for c in text] for text in texts]
        return [np.array([*row[: limit - 1], END]) for row in ids]

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """See ``Backbone.decode``; nothing after the first end is read."""
        texts = []
        for row in ids:
            kept = list(row)[: list(row).index(END)] if END in row else list(row)
            texts.append("".join(_LETTERS[i - 2] for i in kept if i > END).strip())
        return texts

    @torch.no_grad()
    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """See ``Backbone.words``."""
        return [self.table[torch.from_numpy(row[:-1])] for row in self.encode(texts, 1000)]

    @torch.no_grad()
    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """See ``Backbone.vocabulary_prompt``."""
        return self.table[from_vocabulary(torch.arange(2, len(self.table)), length, *stream)]

    def nearest(self, prompt: Tensor, count: int) -> list[list[tuple[str, float]]]:
        """See ``Backbone.nearest``."""
        table = F.normalize(self.table[2:], dim=-1)
        values, places = (F.normalize(prompt, dim=-1) @ table.T).topk(count)
        rows = zip(places.tolist(), values.tolist(), strict=True)
        return [[(_LETTERS[i], v) for i, v in zip(*row, strict=True)] for row in rows]

    def trainable_copy(self) -> ToyBackbone:
        """See ``Backbone.trainable_copy``."""
        copy = ToyBackbone()
        copy.table, copy.head = nn.Parameter(self.table.clone()), nn.Parameter(self.head.clone())
        copy.weights = self.weights
        return copy

    @property
    def trainable_weights(self) -> dict[str, nn.Parameter]:
        """See ``TrainableCopy.trainable_weights``; none of a frozen model."""
        both = {"table": self.table, "head": self.head}
        return {name: one for name, one in both.items() if isinstance(one, nn.Parameter)}

    def _logits(self, theta: Prompts, batch: Batch, target: Tensor) -> Tensor:
        mask = batch.input_mask.to(self.dtype)[..., None]
        words = (self.table[batch.input] * mask).sum(1) / mask.sum(1)
        mean = theta.sum(1) / max(1, theta.shape[1])  # a prompt of no tokens says nothing
        state = (spread(mean, batch.run_of_row) + words).tanh()
        before = F.pad(target[:, :-1], (1, 0)).clamp_min(0)
        return (state[:, None] + self.table[before]) @ self.head
