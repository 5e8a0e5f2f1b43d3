"""Models for benchmarks: common shapes with random weights, and the embedded backbone."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from mpt.backbone import hub, model_parts
from mpt.backbone.frozen import LoadedBackbone
from mpt.backbone.kinds import kind_of
from mpt.backbone.t5_shape import T5_SHAPES, T5Shape
from mpt.errors import UnknownName

VOCABULARY = 32_000
_T5 = {"feed_forward_proj": "gated-gelu", "vocab_size": VOCABULARY, "d_kv": 64}
_LLAMA = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4}
_GPT2 = {
    "n_embd": 256,
    "n_layer": 4,
    "n_head": 4,
    "n_positions": 1024,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}
_BART = {
    "d_model": 256,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
    "dropout": 0.0,
    "decoder_start_token_id": 1,
}


def _sizes(shape: T5Shape) -> dict[str, object]:
    return {
        "d_model": shape.width,
        "d_ff": shape.hidden,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
    }


_SIZES: Mapping[str, tuple[str, dict[str, object]]] = MappingProxyType(
    {
        "t5-256": ("t5", {"d_model": 256, "d_ff": 512, "num_layers": 4, "num_heads": 4}),
        "t5-base": ("t5", _sizes(T5_SHAPES["t5-base"])),
        "t5-large": ("t5", _sizes(T5_SHAPES["t5-large"])),
        "bart-256": ("bart", _BART),
        "gpt2-256": ("gpt2", _GPT2),
        "llama-256": (
            "llama",
            {**_LLAMA, "num_attention_heads": 4, "num_key_value_heads": 4},
        ),
    }
)
SHAPES = ("mini", *_SIZES)


@dataclass(frozen=True)
class BenchModel:
    """A model as mpt runs it, and the same weights as transformers runs them.

    Attributes:
        prompt: number of prompt tokens, P.
        input: number of input tokens of the longest row, T.
    """

    name: str
    ours: LoadedBackbone
    stock: Any
    prompt: int
    input: int

    @property
    def width(self) -> int:
        """Return the width of embeddings, H."""
        return int(self.ours.embed.weight.shape[1])


def make(name: str, device: str, *, bf16: bool = False) -> BenchModel:
    """Make the frozen model of a shape. Raises ``UnknownName`` with the most similar name."""
    if name not in SHAPES:
        raise UnknownName("shape", name, SHAPES)
    large = name in ("t5-base", "t5-large")
    if name == "mini":
        model, tokenizer, _ = hub.load("mini")
    else:
        torch.manual_seed(0)
        kind, dims = _SIZES[name]
        dims = {**dims, "vocab_size": VOCABULARY, "pad_token_id": 0, "eos_token_id": 1}
        model = hub.new_t5(**{**_T5, **dims}) if kind == "t5" else hub.new_model(kind, **dims)
        tokenizer = _numbers()
        with torch.no_grad():  # so that it generates words, not <pad>, </s> and <unk>
            model.get_output_embeddings().weight[:3] = 0
    model = model.to(device, torch.bfloat16 if bf16 else torch.float32)
    stock = deepcopy(model).eval().requires_grad_(False)
    model_parts.plain_generation(stock, tokenizer)
    prompt, words = (10, 24) if name == "mini" else (100, 128 if large else 64)
    return BenchModel(
        name, kind_of(model.config).freeze(model, tokenizer, name), stock, prompt, words
    )


def _numbers() -> Any:
    """Make a tokenizer whose words are numbers of one width, so that none is a prefix of another.

    Benchmarks only decode with it.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "</s>", "<unk>", *(f"w{i:05d}" for i in range(VOCABULARY - 3))]
    level = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = Tokenizer(level)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return hub.wrap_tokenizer(tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
