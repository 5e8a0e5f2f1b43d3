"""The door to transformers: language models and tokenizers from a Hub id or a local folder.

This is the only file that imports transformers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from mpt.backbone.batch import spread
from mpt.errors import ConfigError

EMBEDDED = Path(__file__).parent / "mini"
"""The embedded mini backbone, in the layout that ``save_pretrained`` writes."""


UNLOADABLE = (OSError, ValueError, ImportError, TypeError, LookupError, struct.error)
"""What transformers raises over files that are missing, torn or of an unknown kind."""


def where(name: str) -> str:
    """The Hub id or folder behind a backbone's name; ``mini`` is the embedded one."""
    return str(EMBEDDED) if name == "mini" else name


def load(name: str) -> tuple[Any, Any, str]:
    """Model (float32), tokenizer and identity of a backbone; a GGUF file is dequantised.

    Raises:
        ConfigError: nothing there, or no way to reach it.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    hush()
    place, extra = where(name), {}
    if place.endswith(".gguf"):
        place, extra = str(Path(place).parent), {"gguf_file": Path(place).name}
    try:
        config = AutoConfig.from_pretrained(place, **extra)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        options = {"dtype": torch.float32, "attn_implementation": "sdpa"}
        model = kind.from_pretrained(place, **options, **extra)
        tokenizer = AutoTokenizer.from_pretrained(place, **extra)
    except (*UNLOADABLE, SafetensorError) as error:
        cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigError(_advice(name, cause)) from error
    return model, tokenizer, identity(where(name), config)


def hush() -> None:
    """Keep transformers' own bars and warnings off the terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _advice(name: str, cause: str) -> str:
    if name.endswith(".gguf"):
        if not Path(name).is_file():
            return f"backbone {name!r}: there is no such GGUF file"
        return (
            f"backbone {name!r} cannot be loaded ({cause}); GGUF files need "
            "`pip install -e '.[gguf]'` and a kind of model that transformers dequantises"
        )
    if name.startswith(("/", "./", "../", "~")) and not Path(name).is_dir():
        return f"backbone {name!r}: there is no such folder; give one written by save_pretrained"
    return (
        f"backbone {name!r} cannot be loaded ({cause}); give 'mini', a folder written by "
        "save_pretrained, a GGUF file, or a Hub id that this machine can reach or has cached"
    )


RMS_NORMS = ("T5LayerNorm", "MT5LayerNorm", "LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm")
"""Norms that compute x / rms(x) * weight, as torch's does; Gemma's multiplies by 1 + weight."""


def native_kernels(model: Any) -> Any:
    """The model with its own root-mean-square norms and GELU replaced by torch's, in place.

    The same functions and weights, each in one kernel; and unlike theirs the norm stays in
    float64, where tests tell a packing error from rounding.
    """
    from torch.nn import GELU, RMSNorm
    from transformers.activations import NewGELUActivation

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ in RMS_NORMS:
                width = child.weight.shape[0]
                norm = RMSNorm(width, eps=child.variance_epsilon, device="meta")
                norm.weight = child.weight
                setattr(parent, name, norm)
            elif isinstance(child, NewGELUActivation):
                setattr(parent, name, GELU(approximate="tanh"))
    return model


def identity(place: str, config: Any) -> str:
    """12 hex digits that name the weights: the Hub's commit, or the bytes on disk.

    Of a folder every form of weights and tokenizer counts, T5's ``spiece.model`` too: prompts and
    kept token ids are taken to belong together by this name.
    """
    folder = Path(place)
    kinds = ("*.safetensors", "tokenizer*", "*.bin", "*.model")
    if folder.is_file():
        files = [folder]
    elif folder.is_dir():
        files = [path for kind in kinds for path in sorted(folder.glob(kind))]
    else:
        return (config._commit_hash or sha256(place.encode()).hexdigest())[:12]
    seen = sha256()
    for path in files:
        seen.update(path.name.encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                seen.update(chunk)
    return seen.hexdigest()[:12]


def encoder_output(hidden: Any) -> Any:
    """Encoder states ``[N, T, H]`` as ``generate`` wants to be given them."""
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=hidden)


def room(model: Any) -> int | None:
    """Tokens that the model can read at most; None where positions are relative."""
    config = model.config
    found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return None if config.model_type in ("t5", "mt5", "umt5") else found


def opening(tokenizer: Any) -> list[int]:
    """The ids that a tokenizer puts before every text: ``<bos>`` for Gemma, nothing for GPT-2."""
    begin = tokenizer.bos_token_id
    ids = tokenizer("")["input_ids"]
    return [begin] if begin is not None and ids[:1] == [begin] else []


def new_cache() -> Any:
    """An empty key-value cache that grows with what is read."""
    from transformers import DynamicCache

    return DynamicCache()


def read(model: Any, embeds: Any, cache: Any | None = None) -> Any:
    """Last hidden states ``[N, T, H]`` of a causal model's body; a cache is read and added to."""
    body = model.base_model
    if cache is None:
        return body(inputs_embeds=embeds, use_cache=False).last_hidden_state
    named = "cache" if "cache" in signature(body.forward).parameters else "past_key_values"
    return body(inputs_embeds=embeds, use_cache=True, **{named: cache}).last_hidden_state


def share(cache: Any, place_of_row: Any) -> None:
    """Give every row ``[N]`` the keys and values of its place ``[S]``; gradients flow back."""
    for layer in cache.layers:
        layer.keys = spread(layer.keys, place_of_row)
        layer.values = spread(layer.values, place_of_row)


def plain_generation(model: Any, tokenizer: Any) -> None:
    """Forget the decoding that a model's makers prefer, so that greedy means greedy.

    BART's own settings, for instance, force its first token and forbid repetitions.
    """
    from transformers import GenerationConfig

    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    start = getattr(model.config, "decoder_start_token_id", None)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end if pad is None else pad
    )


def decoding(model: Any, limit: int, beams: int) -> Any:
    """Greedy decoding of at most ``limit`` tokens, or the authors' beam search."""
    from transformers import GenerationConfig

    search = {"early_stopping": True, "repetition_penalty": 2.5} if beams > 1 else {}
    kept = model.generation_config.to_diff_dict()
    return GenerationConfig(
        **{**kept, "max_new_tokens": limit, "num_beams": beams, "do_sample": False, **search}
    )


def new_model(kind: str, **dims: Any) -> Any:
    """A randomly initialised ``bart``, ``gpt2``, ``llama`` or ``gemma``; ``dims`` as its
    configuration takes them."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.for_model(kind, **dims)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return auto.from_config(config)


def new_t5(**dims: Any) -> Any:
    """A randomly initialised T5 v1.1 (gated GELU); ``dims`` as ``T5Config`` takes.

    transformers ties input and output tables of a new model whatever the config says; weights on
    disk that hold both stay apart (`tests/backbone/test_hub_loading.py`).
    """
    from transformers import T5Config, T5ForConditionalGeneration

    settings = {
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "dropout_rate": 0.0,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
    }
    return T5ForConditionalGeneration(T5Config(**{**settings, **dims}))


def layers(model: Any) -> list[Any]:
    """The layers of a model, each of which maps hidden states to hidden states."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]


def adafactor(weights: Mapping[str, Any], rate: float) -> Any:
    """The optimiser of full fine-tuning as the paper's authors set it: as for prompts, and biases
    do not decay.

    Args:
        weights: parameters by name.
        rate: the fixed learning rate.
    """
    from transformers.optimization import Adafactor

    plain = [weight for name, weight in weights.items() if name.endswith("bias")]
    decaying = [weight for name, weight in weights.items() if not name.endswith("bias")]
    groups = [
        {"params": decaying, "weight_decay": 1e-5},
        {"params": plain, "weight_decay": 0.0},
    ]
    return Adafactor(
        [group for group in groups if group["params"]],
        lr=rate,
        scale_parameter=False,
        relative_step=False,
        clip_threshold=1.0,
        decay_rate=-0.8,
    )


def wrap_tokenizer(tokenizer: Any, **special: Any) -> Any:
    """A ``tokenizers.Tokenizer`` as a transformers tokenizer, ready for ``save_pretrained``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
