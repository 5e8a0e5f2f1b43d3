"""The stock model's loss and decoding with a prompt, as a user of transformers writes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mpt.backbone.attention import differentiable_twice
from mpt.backbone.batch import Batch, appended, interleaved, mask_of, padded_left
from mpt.bench.shapes import BenchModel
from mpt.notation import Loss, Losses, Prompts


def stock_loss(model: BenchModel, *, twice: bool = False) -> Loss:
    """Return ``loss(theta, batch) -> [1]`` of one run, by ``model.stock(..., labels=...)``.

    With ``twice`` the loss can be differentiated twice.
    """

    def loss(theta: Prompts, batch: Batch) -> Losses:
        if not twice:
            return model.stock(**stock_inputs(model.stock, theta, batch)).loss[None]
        with differentiable_twice(theta.device):
            return model.stock(**stock_inputs(model.stock, theta, batch)).loss[None]

    return loss


@torch.inference_mode()
def generate(
    model: BenchModel, theta: Prompts, batch: Batch, limit: int, cache: str | None = None
) -> list[str]:
    """Decode every row greedily by ``model.stock.generate``; ``cache`` may be ``static``."""
    prompt = theta.to(model.stock.dtype)[batch.run_of_row]
    embeds = torch.cat([prompt, model.stock.get_input_embeddings()(batch.input)], 1)
    lengths = batch.input_mask.sum(1) + prompt.shape[1]
    mask = mask_of(lengths, embeds.shape[1])
    if not model.stock.config.is_encoder_decoder:
        embeds, mask = interleaved(embeds, padded_left(lengths, embeds.shape[1])), mask.flip(1)
    ids = model.stock.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=limit,
        do_sample=False,
        cache_implementation=cache,
    )
    return model.ours.decode(ids.cpu().numpy())


def stock_inputs(stock: Any, theta: Prompts, batch: Batch) -> dict[str, Tensor]:
    """Return the arguments of ``stock`` for rows behind their prompts."""
    rows, length = len(batch), theta.shape[1]
    prompt = theta.to(stock.dtype)[batch.run_of_row]
    embed = stock.get_input_embeddings()
    if stock.config.is_encoder_decoder:
        mask = torch.cat([batch.input_mask.new_ones(rows, length), batch.input_mask], 1)
        embeds = torch.cat([prompt, embed(batch.input)], 1)
        # .contiguous(), because the loss of T5 calls view() on the labels
        return {
            "inputs_embeds": embeds,
            "attention_mask": mask,
            "labels": batch.target.contiguous(),
        }
    order = appended(batch.input_mask.sum(1), batch.input.shape[1], batch.target.shape[1])
    ids = interleaved(torch.cat([batch.input, batch.target], 1), order)
    silent = torch.full_like(batch.input, -100)
    labels = interleaved(torch.cat([silent, batch.target], 1), order)
    quiet = labels.new_full((rows, length), -100)
    embeds = torch.cat([prompt, embed(ids.clamp_min(0))], 1)
    return {"inputs_embeds": embeds, "labels": torch.cat([quiet, labels], 1).contiguous()}
