"""A frozen language model that reads soft prompts: one contract, one implementation per kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mpt.backbone import hub
from mpt.backbone.batch import Batch, per_run
from mpt.backbone.prompt import from_vocabulary
from mpt.errors import ConfigError
from mpt.notation import Losses, Prompts
from mpt.seeding import Name


class Backbone(Protocol):
    """What the engine asks of a language model.

    Contract (``tests/contracts/test_backbone_contract.py``): runs in a pack never mix, padding
    never changes a run, no weight of the model ever asks for a gradient, ``losses`` can be
    differentiated twice, and a row that ``exact`` accepts is what ``generate`` writes.
    """

    device: torch.device
    dtype: torch.dtype
    weights: str
    """Identity of weights and tokenizer, part of every digest."""

    def losses(self, theta: Prompts, batch: Batch) -> Losses:
        """``[R]``: each run's mean cross-entropy over its own target tokens."""
        ...

    def exact(self, theta: Prompts, batch: Batch) -> Tensor:
        """``[N]`` bool: would greedy decoding write exactly the row's target?"""
        ...

    def generate(self, theta: Prompts, batch: Batch, limit: int) -> list[str]:
        """Greedy decoding: N texts of at most ``limit`` tokens, specials skipped, stripped."""
        ...

    def encode(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Token ids of each text, at most ``limit``, the last one the end of sequence."""
        ...

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """Texts of token ids, specials skipped, stripped."""
        ...

    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """``[P, H]`` copied from frequent rows of the embedding table."""
        ...


class FrozenSeq2Seq:
    """An encoder-decoder of the T5 kind; the prompt stands before the input of the encoder.

    The prompt comes first and padding last, so that neither the padding of a batch nor a
    neighbour's length can move a token's relative position.
    """

    def __init__(self, model: Any, tokenizer: Any, weights: str) -> None:
        self.model = hub.native_kernels(model).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.weights = weights
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        self._table: Tensor = model.get_input_embeddings().weight

    def losses(self, theta: Prompts, batch: Batch) -> Losses:
        """See ``Backbone.losses``."""
        logits = self._logits(theta, batch)
        flat = F.cross_entropy(
            logits.flatten(0, 1), batch.target.flatten(), reduction="none", ignore_index=-100
        )
        return per_run(flat.view_as(batch.target).sum(-1), batch)

    @torch.inference_mode()
    def exact(self, theta: Prompts, batch: Batch) -> Tensor:
        """See ``Backbone.exact``: with the gold prefix given, every argmax is the gold token."""
        guess = self._logits(theta, batch).argmax(-1)
        return ((guess == batch.target) | (batch.target == -100)).all(-1)

    @torch.inference_mode()
    def generate(self, theta: Prompts, batch: Batch, limit: int) -> list[str]:
        """See ``Backbone.generate``."""
        hidden, mask = self._encode(theta, batch)
        wrapped = hub.encoder_output(hidden)
        ids = self.model.generate(
            encoder_outputs=wrapped,
            attention_mask=mask,
            max_new_tokens=limit,
            num_beams=1,
            do_sample=False,
        )
        return self.decode(ids.cpu().numpy())

    def encode(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """See ``Backbone.encode``."""
        if not texts:
            return []
        ids = self.tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        return [np.asarray(row, np.int64) for row in ids]

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        """See ``Backbone.decode``."""
        texts = self.tokenizer.batch_decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [text.strip() for text in texts]

    def vocabulary_prompt(self, length: int, *stream: Name) -> Tensor:
        """See ``Backbone.vocabulary_prompt``; SentencePiece ids fall in order of frequency."""
        special = set(self.tokenizer.all_special_ids)
        size = min(len(self.tokenizer), self._table.shape[0])
        ordinary = torch.tensor([i for i in range(size) if i not in special])
        return from_vocabulary(self._table, ordinary, length, *stream)

    def _logits(self, theta: Prompts, batch: Batch) -> Tensor:
        hidden, mask = self._encode(theta, batch)
        start = torch.full_like(batch.target[:, :1], self.model.config.decoder_start_token_id)
        given = torch.cat([start, batch.target[:, :-1]], 1).clamp_min(0)
        return self.model(
            encoder_outputs=(hidden,),
            attention_mask=mask,
            decoder_input_ids=given,
            use_cache=False,
        ).logits

    def _encode(self, theta: Prompts, batch: Batch) -> tuple[Tensor, Tensor]:
        prompt = theta.to(self.dtype)[batch.run_of_row]
        words = F.embedding(batch.input, self._table)
        ones = batch.input_mask.new_ones(prompt.shape[:2])
        mask = torch.cat([ones, batch.input_mask], 1)
        states = self.model.get_encoder()(
            inputs_embeds=torch.cat([prompt, words], 1), attention_mask=mask
        )
        return states.last_hidden_state, mask


def load_backbone(name: str = "mini", device: str | None = None) -> Backbone:
    """The frozen language model behind ``name`` in float32 on ``device`` (default: CUDA if any).

    Raises:
        ConfigError: no such model, a device that is not there, or a kind mpt cannot prompt yet.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if place.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {place!r} was asked for, but torch sees no CUDA device; use cpu")
    model, tokenizer, weights = hub.load(name)
    if not model.config.is_encoder_decoder:
        raise ConfigError(
            f"backbone {name!r} is a {model.config.model_type} model; mpt prompts encoder-decoders "
            "of the T5 kind: try 'mini', google/t5-base-lm-adapt or google/t5-large-lm-adapt"
        )
    return FrozenSeq2Seq(model.to(place), tokenizer, weights)
