"""What mpt reads and sets of a model or tokenizer of transformers, whatever its kind calls it."""

from __future__ import annotations

from inspect import signature
from typing import Any

from mpt.backbone.batch import spread


def encoder_output(hidden: Any) -> Any:
    """Wrap encoder states ``[N, T, H]`` as ``generate`` takes them."""
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=hidden)


def takes_masks(model: Any) -> bool:
    """Whether an encoder-decoder hands a boolean mask ``[N, 1, 1 or T, S]`` on to its kernels."""
    kinds = ("t5", "mt5", "bart", "mbart")
    return model.config.model_type in kinds and model.config._attn_implementation == "sdpa"


def max_positions(model: Any) -> tuple[int | None, int | None]:
    """Return the tokens that the model can read at most, and its decoder write; None where
    positions are relative or without bound."""
    config = model.config
    if hasattr(config, "relative_attention_num_buckets"):
        return None, None
    both = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    reads = getattr(config, "max_encoder_position_embeddings", both)
    writes = getattr(config, "max_decoder_position_embeddings", both)
    # XLNet says -1 where others say nothing
    return reads if reads and reads > 0 else None, writes if writes and writes > 0 else None


def decoder_start(model: Any) -> int | None:
    """Return the token before a decoder's first, from the configuration or that of generation."""
    for config in (model.config, model.generation_config):
        start = getattr(config, "decoder_start_token_id", None)
        if start is not None:
            return start
    return None


def bos_ids(tokenizer: Any) -> list[int]:
    """Return the ids that a tokenizer puts before every text: Gemma's ``<bos>``, none of GPT-2."""
    begin = tokenizer.bos_token_id
    ids = tokenizer("")["input_ids"]
    return [begin] if begin is not None and ids[:1] == [begin] else []


def new_cache() -> Any:
    """Make an empty key-value cache, which grows with what is read."""
    from transformers import DynamicCache

    return DynamicCache()


def read(
    model: Any,
    embeds: Any,
    cache: Any | None = None,
    mask: Any | None = None,
    places: Any | None = None,
) -> Any:
    """Return last hidden states ``[N, T, H]`` of a causal model; a cache is read and extended.

    Args:
        mask: ``[N, cached + T]``, 0 on padding, where there is any but the last tokens.
        places: ``[N, T]``, positions of the tokens, where padding stands before them.
    """
    body = model.base_model
    if cache is None:
        return body(inputs_embeds=embeds, use_cache=False).last_hidden_state
    takes = signature(body.forward).parameters
    named: dict[str, Any] = {"cache" if "cache" in takes else "past_key_values": cache}
    if mask is not None:
        # kinds without positions of their own count tokens by the mask
        named |= {"attention_mask": mask}
        named |= {"position_ids": places} if "position_ids" in takes else {}
    return body(inputs_embeds=embeds, use_cache=True, **named).last_hidden_state


def expand_kv_cache(cache: Any, place_of_row: Any) -> None:
    """Expand the cache of S prompts to the N rows that continue from them; gradients flow back."""
    for layer in cache.layers:
        layer.keys = spread(layer.keys, place_of_row)
        layer.values = spread(layer.values, place_of_row)


def reorder_kv_cache(cache: Any, order: Any) -> None:
    """Put the cached tokens of every row into the order ``[N, W]``; they keep their positions."""
    for layer in cache.layers:
        layer.keys, layer.values = (
            kept.gather(2, order[:, None, :, None].expand(-1, kept.shape[1], -1, kept.shape[3]))
            for kept in (layer.keys, layer.values)
        )


def plain_generation(model: Any, tokenizer: Any) -> None:
    """Forget the decoding that a model's makers prefer, so that greedy means greedy.

    BART's own settings, for instance, force its first token and forbid repetitions.
    """
    from transformers import GenerationConfig

    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    start = decoder_start(model)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end if pad is None else pad
    )


def decoding(model: Any, limit: int, beams: int, *, whole: bool = False) -> Any:
    """Configure greedy decoding of at most ``limit`` tokens, or the authors' beam search.

    ``whole``: of exactly so many.
    """
    from transformers import GenerationConfig

    search = {"early_stopping": True, "repetition_penalty": 2.5} if beams > 1 else {}
    search |= {"min_new_tokens": limit} if whole else {}
    kept = model.generation_config.to_diff_dict()
    return GenerationConfig(
        **{**kept, "max_new_tokens": limit, "num_beams": beams, "do_sample": False, **search}
    )


def layers(model: Any) -> list[Any]:
    """Return the layers of a model, each of which maps hidden states to hidden states."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
