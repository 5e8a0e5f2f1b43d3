"""Tiny, randomly initialised models for tests."""

from __future__ import annotations

import torch

from mpt.backbone import hub
from mpt.backbone.frozen import FrozenSeq2Seq

WORDS = (
    *("the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "hill", "good", "bad"),
    *("yes", "no", "red", "blue", "is", "was", "very", "not"),
)


def word_tokenizer():
    """A word-level tokenizer that appends </s>, as T5's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return hub.wrap_tokenizer(tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def tiny_t5(seed: int = 0, dtype: torch.dtype = torch.float64, *, spread: float = 3.0):
    """A T5 v1.1 of a few thousand parameters, spread out enough for its argmaxes to differ."""
    torch.manual_seed(seed)
    tokenizer = word_tokenizer()
    model = hub.new_t5(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=2,
        initializer_factor=spread,
        attn_implementation="eager",
    )
    return FrozenSeq2Seq(model.to(dtype), tokenizer, f"tiny-{seed}")
