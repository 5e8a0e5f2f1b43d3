"""The door to transformers: language models and tokenizers from a Hub id or a local folder.

This is the only file that imports transformers.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from mpt.errors import ConfigError

EMBEDDED = Path(__file__).parent / "mini"
"""The embedded mini backbone, in the layout that ``save_pretrained`` writes."""


def where(name: str) -> str:
    """The Hub id or folder behind a backbone's name; ``mini`` is the embedded one."""
    return str(EMBEDDED) if name == "mini" else name


def load(name: str) -> tuple[Any, Any, str]:
    """Model (float32), tokenizer and identity of a backbone.

    Attention is computed without a fused kernel: those refuse to be differentiated twice, which
    exact MAML needs.

    Raises:
        ConfigError: nothing there, or no way to reach it.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    place = where(name)
    try:
        config = AutoConfig.from_pretrained(place)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model = kind.from_pretrained(place, dtype="float32", attn_implementation="eager")
        tokenizer = AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError) as error:
        cause = str(error).splitlines()[0]
        raise ConfigError(
            f"backbone {name!r} cannot be loaded ({cause}); give 'mini', a folder written by "
            "save_pretrained, or a Hub id that this machine can reach or has cached"
        ) from error
    return model, tokenizer, identity(place, config)


def native_kernels(model: Any) -> Any:
    """The model with T5's own layer norm and GELU replaced by torch's, in place.

    The same functions and weights, each in one kernel; and unlike T5's the norm stays in float64,
    where tests tell a packing error from rounding.
    """
    from torch.nn import GELU, RMSNorm
    from transformers.activations import NewGELUActivation
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, T5LayerNorm):
                width = child.weight.shape[0]
                norm = RMSNorm(width, eps=child.variance_epsilon, device="meta")
                norm.weight = child.weight
                setattr(parent, name, norm)
            elif isinstance(child, NewGELUActivation):
                setattr(parent, name, GELU(approximate="tanh"))
    return model


def identity(place: str, config: Any) -> str:
    """12 hex digits that name the weights: the Hub's commit, or the bytes of a local folder.

    Of a folder every form of weights and tokenizer counts, T5's ``spiece.model`` too: prompts and
    kept token ids are taken to belong together by this name.
    """
    folder = Path(place)
    if not folder.is_dir():
        return (config._commit_hash or sha256(place.encode()).hexdigest())[:12]
    seen = sha256()
    kinds = ("*.safetensors", "tokenizer*", "*.bin", "*.model")
    for path in [path for kind in kinds for path in sorted(folder.glob(kind))]:
        seen.update(path.name.encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                seen.update(chunk)
    return seen.hexdigest()[:12]


def encoder_output(hidden: Any) -> Any:
    """Encoder states ``[N, T, H]`` as ``generate`` wants to be given them."""
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=hidden)


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


def wrap_tokenizer(tokenizer: Any, **special: Any) -> Any:
    """A ``tokenizers.Tokenizer`` as a transformers tokenizer, ready for ``save_pretrained``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
