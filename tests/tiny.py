"""Tiny, randomly initialised models for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from mpt.backbone import hub
from mpt.backbone.causal import FrozenCausal
from mpt.backbone.seq2seq import FrozenSeq2Seq
from mpt.config import Place

WORDS = (
    *("the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "hill", "good", "bad"),
    *("yes", "no", "red", "blue", "is", "was", "very", "not"),
)
SIZE = 24


def word_tokenizer(frame: str = "$A </s>"):
    """A word-level tokenizer; ``frame`` is what it puts around a text, as T5's does by default."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["<pad>", "</s>", "<unk>", "<s>"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=frame, special_tokens=[("</s>", 1), ("<s>", 3)]
    )
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return hub.wrap_tokenizer(tokenizer, bos_token="<s>", **names)


def tiny_t5(
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    *,
    spread: float = 3.0,
    place: Place = "before",
) -> FrozenSeq2Seq:
    """A T5 v1.1 of a few thousand parameters, spread out enough for its argmaxes to differ."""
    torch.manual_seed(seed)
    tokenizer = word_tokenizer()
    model = hub.new_t5(
        vocab_size=SIZE,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=2,
        initializer_factor=spread,
    )
    return FrozenSeq2Seq(model.to(dtype), tokenizer, f"tiny-t5-{seed}", place)


def tiny_bart(
    seed: int = 0, dtype: torch.dtype = torch.float64, *, place: Place = "before"
) -> FrozenSeq2Seq:
    """A BART with learned positions, scaled embeddings and texts framed by ``<s>`` and ``</s>``."""
    torch.manual_seed(seed)
    model = hub.new_model(
        "bart",
        vocab_size=SIZE,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=64,
        scale_embedding=True,
        init_std=0.5,
        dropout=0.0,
        pad_token_id=0,
        bos_token_id=3,
        eos_token_id=1,
        decoder_start_token_id=1,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
    )
    tokenizer = word_tokenizer("<s> $A </s>")
    return FrozenSeq2Seq(model.to(dtype), tokenizer, f"tiny-bart-{seed}", place)


def tiny_causal(
    kind: str, seed: int = 0, dtype: torch.dtype = torch.float64, *, place: Place = "before"
) -> FrozenCausal:
    """A ``gpt2``, ``llama`` or ``gemma`` of a few thousand parameters; Gemma's texts open with
    ``<s>``."""
    torch.manual_seed(seed)
    ids = {"pad_token_id": 0, "bos_token_id": 3, "eos_token_id": 1, "vocab_size": SIZE}
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
    }
    if kind == "gpt2":
        shape = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
        shape["initializer_range"] = 0.5
    model = hub.new_model(kind, **shape, **ids)
    tokenizer = word_tokenizer("<s> $A" if kind == "gemma" else "$A")
    return FrozenCausal(model.to(dtype), tokenizer, f"tiny-{kind}-{seed}", place)


TINY: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "t5": tiny_t5,
        "bart": tiny_bart,
        "gpt2": lambda *args, **kwargs: tiny_causal("gpt2", *args, **kwargs),
        "llama": lambda *args, **kwargs: tiny_causal("llama", *args, **kwargs),
        "gemma": lambda *args, **kwargs: tiny_causal("gemma", *args, **kwargs),
    }
)
"""Every kind of model: ``TINY[kind](seed, dtype, place=...)``."""
