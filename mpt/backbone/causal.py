"""Frozen causal models: GPT-2, Llama, SmolLM2, Gemma and their kin."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from mpt.backbone import attention, hub, model_parts
from mpt.backbone.batch import (
    Answers,
    Batch,
    appended,
    interleaved,
    mask_of,
    padded_left,
    per_run,
    spread,
    summed_losses,
)
from mpt.backbone.trainable import Recomputation, trainable, trainable_weights
from mpt.backbone.vocabulary import Vocabulary
from mpt.config import Place
from mpt.notation import Losses, Prompts


class FrozenCausal(Vocabulary):
    """A causal model; it reads prompt, input and target as one sequence without gaps.

    Two things make it cheap. The head is applied to the states that predict target tokens, and to
    no others: a vocabulary is far wider than a model. And a prompt that comes first does not see
    what follows, so that its keys and values are computed once per run and shared by its rows.

    Padding comes last, where a causal model cannot see it; no mask is needed.
    """

    def __init__(self, model: Any, tokenizer: Any, weights: str, place: Place = "before") -> None:
        self.model = hub.native_kernels(model).eval().requires_grad_(False)
        super().__init__(tokenizer, model.get_input_embeddings(), causal=True)
        self.weights = weights
        self.place = place
        self.shares_prompt = place == "before"
        weight = self.embed.weight
        self.device = weight.device
        self.dtype = torch.float32 if weight.dtype == torch.bfloat16 else weight.dtype
        self._width = weight.dtype
        bos = model_parts.bos_ids(tokenizer)
        self._bos = torch.tensor(bos, device=self.device, dtype=torch.int64)
        self.attention = attention.described(model.config, self.device)
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
    def generate(
        self, theta: Prompts, batch: Batch, limit: int, beams: int = 1, *, whole: bool = False
    ) -> list[str]:
        """See ``Backbone.generate``; padded on the left, as decoding continues on the right."""
        embeds, lengths = self._questions(theta, batch)
        with warnings.catch_warnings():
            # only what is written shall count as repeated, as in encoder-decoders
            warnings.filterwarnings("ignore", "Passing `repetition_penalty` with `inputs_embeds`")
            ids = self.model.generate(
                inputs_embeds=interleaved(embeds, padded_left(lengths, embeds.shape[1])),
                attention_mask=mask_of(lengths, embeds.shape[1]).flip(1),
                generation_config=model_parts.decoding(self.model, limit, beams, whole=whole),
            )
        return self.decode(ids.cpu().numpy())

    @torch.inference_mode()
    def log_likelihoods(self, theta: Prompts, batch: Batch, answers: Answers) -> Tensor:
        """See ``Backbone.log_likelihoods``; answers continue from the keys of their question.

        Keys and values are moved to the right of the cache, so that nothing stands between a
        question and its answers, as in decoding.
        """
        cache = model_parts.new_cache()
        states, lengths = self._read_questions(theta, batch, cache)
        width, row, target = states.shape[1], answers.row, answers.target
        ends = interleaved(states, (lengths - 1).clamp_min(0)[:, None])[row]
        model_parts.reorder_kv_cache(cache, padded_left(lengths, width))
        model_parts.expand_kv_cache(cache, row)
        given = target[:, :-1].clamp_min(0)
        if given.shape[1]:
            mask = torch.cat([mask_of(lengths, width).flip(1)[row], torch.ones_like(given)], 1)
            places = lengths[row][:, None] + torch.arange(given.shape[1], device=self.device)
            more = model_parts.read(self.model, self.embed(given), cache, mask, places)
            ends = torch.cat([ends, more], 1)
        return -summed_losses(self._head(ends).to(self.dtype), target)

    def trainable_copy(self) -> FrozenCausal:
        """See ``Backbone.trainable_copy``; without a prompt there are no keys to share."""
        recomputation = Recomputation()
        model = trainable(self.model, recomputation)
        copy = FrozenCausal(model, self.tokenizer, self.weights, place="after")
        copy.recomputation = recomputation
        copy.model.requires_grad_(True)
        return copy

    @property
    def trainable_weights(self) -> dict[str, nn.Parameter]:
        """See ``TrainableCopy.trainable_weights``; none of a frozen model."""
        return trainable_weights(self.model)

    def logits(self, theta: Prompts, batch: Batch) -> Tensor:
        """See ``LoadedBackbone.logits``."""
        states, first = (
            self._after_prompt(theta, batch)
            if self.place == "before"
            else self._around_prompt(theta, batch)
        )
        places = first[:, None] + torch.arange(batch.target.shape[1], device=self.device)
        last = states.shape[1] - 1  # places of padded targets are not read
        return self._head(interleaved(states, places.clamp_max(last))).to(self.dtype)

    def _questions(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embeddings ``[N, W, H]`` of all that stands before an answer, and each row's length."""
        prompt = spread(theta, batch.run_of_row).to(self._width)
        words, lengths = self.embed(batch.input), batch.input_mask.sum(1)
        question = torch.cat([prompt, words], 1)
        if self.place == "after":
            order = appended(lengths, words.shape[1], prompt.shape[1])
            question = interleaved(torch.cat([words, prompt], 1), order)
        embeds = torch.cat([self._bos_rows(len(batch)), question], 1)
        return embeds, lengths + embeds.shape[1] - words.shape[1]

    def _read_questions(self, theta: Tensor, batch: Batch, cache: Any) -> tuple[Tensor, Tensor]:
        """Read them into a cache: their states ``[N, W, H]``, and each row's length."""
        embeds, lengths = self._questions(theta, batch)
        shared = embeds.shape[1] - batch.input.shape[1] if self.shares_prompt else 0
        if not shared:
            return model_parts.read(self.model, embeds, cache), lengths
        own = spread(theta, batch.present).to(self._width)
        prefix = torch.cat([self._bos_rows(len(own)), own], 1)
        before = model_parts.read(self.model, prefix, cache)
        model_parts.expand_kv_cache(cache, batch.place_of_row)
        states = model_parts.read(self.model, embeds[:, shared:], cache)
        return torch.cat([spread(before, batch.place_of_row), states], 1), lengths

    def _after_prompt(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """States of [prompt's last token, input, target], and where the first target is predicted.

        The prompt is read once per run; every row of the run continues from its keys and values.
        """
        lengths, ids = batch.input_mask.sum(1), self._joined(batch)
        own = spread(theta, batch.present).to(self._width)
        prefix = torch.cat([self._bos_rows(len(own)), own], 1)
        if not prefix.shape[1]:
            return model_parts.read(self.model, self.embed(ids)), (lengths - 1).clamp_min(0)
        cache = model_parts.new_cache()
        ends = model_parts.read(self.model, prefix, cache)[:, -1:]
        model_parts.expand_kv_cache(cache, batch.place_of_row)
        states = model_parts.read(self.model, self.embed(ids), cache)
        return torch.cat([spread(ends, batch.place_of_row), states], 1), lengths

    def _around_prompt(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """States of [input, prompt, target], and where the first target is predicted."""
        lengths = batch.input_mask.sum(1)
        prompt = spread(theta, batch.run_of_row).to(self._width)
        words = self.embed(batch.input)
        length = prompt.shape[1]
        order = appended(lengths, words.shape[1], length)
        question = interleaved(torch.cat([words, prompt], 1), order)
        answer = self.embed(batch.target.clamp_min(0))
        order = appended(lengths + length, question.shape[1], answer.shape[1])
        embeds = interleaved(torch.cat([question, answer], 1), order)[:, : batch.widest + length]
        embeds = torch.cat([self._bos_rows(len(batch)), embeds], 1)
        states = model_parts.read(self.model, embeds)
        return states, (lengths + len(self._bos) + length - 1).clamp_min(0)

    def _joined(self, batch: Batch) -> Tensor:
        """``[N, widest]`` ids of input and target without a gap."""
        joined = torch.cat([batch.input, batch.target.clamp_min(0)], 1)
        order = appended(batch.input_mask.sum(1), batch.input.shape[1], batch.target.shape[1])
        return interleaved(joined, order)[:, : batch.widest]

    def _bos_rows(self, rows: int) -> Tensor:
        """``[rows, 0 or 1, H]``: the token that some, such as Gemma, need before every text."""
        return self.embed(self._bos)[None].expand(rows, -1, -1)

    def _head(self, states: Tensor) -> Tensor:
        logits = self.model.get_output_embeddings()(states)
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)
