"""Frozen encoder-decoders: T5, mT5, BART; the prompt is read by the encoder."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpt.backbone import attention, hub, model_parts
from mpt.backbone.batch import (
    Answers,
    Batch,
    appended,
    interleaved,
    mask_of,
    per_run,
    spread,
    summed_losses,
)
from mpt.backbone.lean_attention import lean_attention
from mpt.backbone.trainable import Recomputation, trainable, trainable_weights
from mpt.backbone.vocabulary import Vocabulary
from mpt.config import Place
from mpt.notation import Losses, Prompts

ALIGNED = 8
"""Positions of a multiple of which the kernels of GPUs read a mask; else each layer copies it."""


class FrozenSeq2Seq(Vocabulary):
    """An encoder-decoder; the prompt stands before the input, or right behind its last token.

    Padding comes last in either case, so that neither the padding of a batch nor a neighbour's
    length can move a token's relative position.
    """

    shares_prompt = False

    def __init__(self, model: Any, tokenizer: Any, weights: str, place: Place = "before") -> None:
        self.model = lean_attention(hub.native_kernels(model)).eval().requires_grad_(False)
        super().__init__(tokenizer, model.get_input_embeddings(), causal=False)
        self.weights = weights
        self.place = place
        weight = self.embed.weight
        self.device = weight.device
        self.dtype = torch.float32 if weight.dtype == torch.bfloat16 else weight.dtype
        self._width = weight.dtype
        self.attention = attention.described(model.config, self.device)
        self._takes_masks = model_parts.takes_masks(model)
        self._start = cast(int, model_parts.decoder_start(model))  # see proof.expect_room
        self.recomputation = Recomputation()
        model_parts.plain_generation(model, tokenizer)

    def losses(self, theta: Prompts, batch: Batch) -> Losses:
        """See ``Backbone.losses``."""
        return per_run(summed_losses(self.logits(theta, batch), batch.target), batch)

    def losses_twice_differentiable(self, theta: Prompts, batch: Batch) -> Losses:
        """See ``Backbone.losses_twice_differentiable``."""
        with attention.differentiable_twice(self.device):
            return self.losses(theta, batch)

    @torch.inference_mode()
    def teacher_forced_argmax(self, theta: Prompts, batch: Batch) -> Tensor:
        """See ``Backbone.teacher_forced_argmax``."""
        return self.logits(theta, batch).argmax(-1)

    @torch.inference_mode()
    def log_likelihoods(self, theta: Prompts, batch: Batch, answers: Answers) -> Tensor:
        """See ``Backbone.log_likelihoods``; each question is encoded once."""
        hidden, mask = self._encode(theta, batch)
        reads = self._reads(mask[answers.row], theta, batch)
        logits = self._decoded(hidden[answers.row], reads, answers.target)
        return -summed_losses(logits, answers.target)

    @torch.inference_mode()
    def generate(
        self, theta: Prompts, batch: Batch, limit: int, beams: int = 1, *, whole: bool = False
    ) -> list[str]:
        """See ``Backbone.generate``."""
        hidden, mask = self._encode(theta, batch)
        ids = self.model.generate(
            encoder_outputs=model_parts.encoder_output(hidden),
            attention_mask=mask,
            generation_config=model_parts.decoding(self.model, limit, beams, whole=whole),
        )
        return self.decode(ids.cpu().numpy())

    def trainable_copy(self) -> FrozenSeq2Seq:
        """See ``Backbone.trainable_copy``."""
        recomputation = Recomputation()
        model = trainable(self.model, recomputation)
        copy = FrozenSeq2Seq(model, self.tokenizer, self.weights)
        copy.recomputation = recomputation
        copy.model.requires_grad_(True)
        return copy

    @property
    def trainable_weights(self) -> dict[str, nn.Parameter]:
        """See ``TrainableCopy.trainable_weights``; none of a frozen model."""
        return trainable_weights(self.model)

    def logits(self, theta: Prompts, batch: Batch) -> Tensor:
        """See ``LoadedBackbone.logits``."""
        hidden, mask = self._encode(theta, batch)
        return self._decoded(hidden, self._reads(mask, theta, batch), batch.target)

    def _decoded(self, hidden: Tensor, mask: Tensor | None, target: Tensor) -> Tensor:
        """Return the logits ``[N, U, V]`` of targets, from what the encoder made of inputs."""
        start = torch.full_like(target[:, :1], self._start)
        given = torch.cat([start, target[:, :-1]], 1).clamp_min(0)
        logits = self.model(
            encoder_outputs=(hidden,),
            attention_mask=mask,
            decoder_attention_mask=self._causal(given),
            decoder_input_ids=given,
            use_cache=False,
        ).logits
        return logits.to(self.dtype)

    def _encode(self, theta: Prompts, batch: Batch) -> tuple[Tensor, Tensor]:
        prompt = spread(theta, batch.run_of_row).to(self._width)
        lengths, length = batch.input_mask.sum(1), prompt.shape[1]
        words = self.embed(F.pad(batch.input, (0, self._spare(theta, batch))))
        if self.place == "before":
            embeds = torch.cat([prompt, words], 1)
        else:
            order = appended(lengths, words.shape[1], length)
            embeds = interleaved(torch.cat([words, prompt], 1), order)
        mask = mask_of(lengths + length, embeds.shape[1])
        states = self.model.get_encoder()(
            inputs_embeds=embeds, attention_mask=self._reads(mask, theta, batch)
        )
        return states.last_hidden_state, mask

    def _spare(self, theta: Prompts, batch: Batch) -> int:
        """How many places of padding align prompt and input, where a GPU reads bfloat16."""
        width = theta.shape[1] + batch.input.shape[1]
        is_narrow = self._width == torch.bfloat16
        return -width % ALIGNED if theta.is_cuda and is_narrow else 0

    def _reads(self, mask: Tensor, theta: Prompts, batch: Batch) -> Tensor | None:
        """What attention to the encoder's states takes for a mask ``[N, S]`` of tokens.

        transformers makes the same of the mask itself, but reads it first, and a device would
        be waited for.
        """
        if not self._takes_masks:
            return mask
        is_padded = batch.is_padded or self._spare(theta, batch) > 0
        return mask.bool()[:, None, None] if is_padded else None

    def _causal(self, given: Tensor) -> Tensor | None:
        """A mask ``[1, 1, U, U]`` for BART's decoder, which makes one of ones by itself, and then
        reads it. On a CPU that costs nothing, and the kernel without a mask is faster."""
        if not (self._takes_masks and given.is_cuda):
            return None
        length = given.shape[1]
        ones = torch.ones(length, length, dtype=torch.bool, device=given.device)
        return ones.tril()[None, None]
