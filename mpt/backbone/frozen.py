"""The contract of a frozen language model that reads soft prompts; ``kinds`` lists who keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mpt.backbone.batch import Answers, Batch
from mpt.backbone.trainable import Recomputation
from mpt.config import Place
from mpt.gym.tokens import Role
from mpt.notation import Losses, Prompts
from mpt.seeding import Name


class Backbone(Protocol):
    """What the engine asks of a language model.

    Contract (``tests/contracts/test_backbone_contract.py``): runs in a pack never mix, padding
    never changes a run, losses of micro-batches add up, no weight of the model ever asks for a
    gradient, ``losses_twice_differentiable`` is what it says, and a row whose
    ``teacher_forced_argmax`` is its target is what ``generate`` writes, and ``log_likelihoods``
    are those of the answers as targets.
    """

    device: torch.device
    dtype: torch.dtype
    """Of prompts, gradients and losses; the model's own may be narrower."""
    weights: str
    """Identity of weights and tokenizer, part of every digest."""
    attention: str
    """The attention kernels it uses, for people."""
    shares_prompt: bool
    """Whether a run's rows in a batch share the work on its prompt."""

    def losses(self, theta: Prompts, batch: Batch) -> Losses:
        """Return ``[R]``: each run's mean cross-entropy over its own target tokens."""
        ...

    def losses_twice_differentiable(self, theta: Prompts, batch: Batch) -> Losses:
        """Return ``losses``, computed so that their gradient can be differentiated again."""
        ...

    def teacher_forced_argmax(self, theta: Prompts, batch: Batch) -> Tensor:
        """Return ``[N, U]``: the likeliest token at each place, given the target before it."""
        ...

    def log_likelihoods(self, theta: Prompts, batch: Batch, answers: Answers) -> Tensor:
        """Return ``[M]``: the log-probability (nats) of each answer, summed over its tokens.

        The targets of the batch are not read.
        """
        ...

    def generate(
        self, theta: Prompts, batch: Batch, limit: int, beams: int = 1, *, whole: bool = False
    ) -> list[str]:
        """Generate N texts of at most ``limit`` tokens, specials skipped, stripped.

        Greedy by default; with ``beams``, the beam search of the paper's authors (length penalty
        1, repetition penalty 2.5, early stopping). ``whole``: no text ends before its limit, which
        is when keys and values take most memory.
        """
        ...

    def encode(self, texts: Sequence[str], limit: int, role: Role = "input") -> list[np.ndarray]:
        """Return texts as token ids, at most ``limit``; a target ends with the end of sequence."""
        ...

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of token ids, specials skipped, stripped."""
        ...

    def words(self, texts: Sequence[str]) -> list[Tensor]:
        """Return ``[T, H]`` embeddings of each text's tokens, no specials among them."""
        ...

    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """Copy ``[P, H]`` frequent rows of the embedding table."""
        ...

    def nearest(self, prompt: Tensor, count: int) -> list[list[tuple[str, float]]]:
        """Find the tokens, no specials, with embeddings nearest to each row ``[P, H]`` by cosine.

        A list of (token, cosine) a row, the nearest first.
        """
        ...

    def trainable_copy(self) -> TrainableCopy:
        """Return a copy whose weights can be trained; this one stays frozen."""
        ...


class TrainableCopy(Backbone, Protocol):
    """A copy of a backbone for full fine-tuning; it reads prompts of no tokens, ``[R, 0, H]``."""

    recomputation: Recomputation
    """Whether its layers are recomputed in the backward pass; may be switched at any time."""

    @property
    def trainable_weights(self) -> Mapping[str, nn.Parameter]:
        """Every weight of the model, by name; all ask for gradients."""
        ...


class LoadedBackbone(Backbone, Protocol):
    """A backbone around a model of transformers, as rows of ``mpt.backbone.kinds`` make it."""

    model: Any
    tokenizer: Any
    embed: nn.Embedding
    place: Place
    """Of the prompt."""

    def logits(self, theta: Prompts, batch: Batch) -> Tensor:
        """Return ``[N, U, V]``: what the model expects at every place of the target."""
        ...

    def ordinary_ids(self) -> Tensor:
        """Return the ids of the tokens that are not special."""
        ...
