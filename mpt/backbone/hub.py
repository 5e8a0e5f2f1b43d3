"""Load and make models and tokenizers by transformers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mpt.backbone.folder import check_tokenizer, earlier_identity, expect_own_weights
from mpt.backbone.kinds import kind_of, kinds_listed
from mpt.backbone.sources import EMBEDDED, Files, source_of, where
from mpt.errors import ConfigError

TOKENIZERS = ("transformers", "tokenizers", "sentencepiece")

SHOWN = 3
"""Names of tensors that an error lists before it counts the rest."""


def load(name: str) -> tuple[Any, Any, str]:
    """Load model (float32), tokenizer and identity of a backbone; a GGUF file is dequantised.

    Code that lies beside a model is never run, and no pickle is opened. What transformers warns of
    is logged.

    Raises:
        ConfigError: nothing there, no way to reach it, or not the whole of a model that writes.
    """
    from transformers import AutoConfig, AutoTokenizer

    source, place = source_of(name), Path(where(name))
    files: Files | None = None
    try:
        with _remarks(name):
            files = source.find(name, place)
            extra: dict[str, object] = {"trust_remote_code": False, **files.options}
            config = AutoConfig.from_pretrained(files.place, **extra)
            expect_own_weights(name, vars(config))
            auto, options = _kind(name, config)
            model, loading = auto.from_pretrained(files.place, **options, **extra)
            _expect_whole(name, model, loading)
            tokenizer = AutoTokenizer.from_pretrained(files.place, **extra)
    except (ConfigError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a foreign file made of transformers
        raise ConfigError(_advice(name, error, files)) from error
    if place.is_dir():
        check_tokenizer(name, place, tokenizer)
    vocabularies = type(tokenizer).vocab_files_names.values()
    return model, tokenizer, source.identity(place, files.commit, vocabularies)


def _advice(name: str, error: Exception, files: Files | None) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"backbone {name!r} needs code that lies beside it (auto_map), which mpt never runs; "
            "give a model of a kind that transformers itself knows"
        )
    lines = str(error).strip().splitlines()
    cause = next(iter(lines), "")[:200] or type(error).__name__
    return source_of(name).advice(name, error, cause, files)


def _kind(name: str, config: Any) -> tuple[Any, dict[str, object]]:
    """Return the class that loads models of a configuration, and the options to load them with.

    Raises:
        ConfigError: a kind that writes no text, or that reads ahead.
    """
    import transformers

    kind = kind_of(config)
    mapping = getattr(transformers, kind.models)
    is_encoder = (
        kind.one_sequence
        and type(config) in transformers.MODEL_FOR_MASKED_LM_MAPPING
        and getattr(config, "is_decoder", None) is False
    )
    if type(config) not in mapping or is_encoder:
        raise ConfigError(
            f"backbone {name!r} is of the kind {config.model_type!r}, which does not write text "
            "after text",
            fix=f"give {kinds_listed()}",
        )
    classes = mapping[type(config)]
    chosen = classes[0] if isinstance(classes, tuple) else classes
    return getattr(transformers, kind.auto), {
        "dtype": torch.float32,
        # eager attention where a kind has no other
        "attn_implementation": "sdpa" if getattr(chosen, "_supports_sdpa", False) else "eager",
        # shapes that differ are refused by name, see _expect_whole
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
        # no pickle, which may run code: of a Hub id neither
        "use_safetensors": True,
    }


def _expect_whole(name: str, model: Any, loading: Mapping[str, Any]) -> None:
    """Raise ``ConfigError`` unless the weights on disk were those of the model, each of them.

    transformers draws what is missing at random and leaves out what it has no place for.
    """
    shapes = [
        f"{key} {list(there)} instead of {list(here)}"
        for key, there, here in sorted(loading["mismatched_keys"])
    ]
    wrong = {
        "missing": sorted(loading["missing_keys"]),
        "of another shape": shapes,
        "not part of it": sorted(loading["unexpected_keys"]),
        "not read": list(loading.get("error_msgs", ())),
    }
    faults = "; ".join(f"{what}: {_listed(names)}" for what, names in wrong.items() if names)
    if faults:
        raise ConfigError(
            f"backbone {name!r} does not hold the weights of a {type(model).__name__} ({faults})",
            fix="save the whole model, its head too, with save_pretrained of that class",
        )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


class _Kept(logging.Handler):
    """Keeps what is logged, each line once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[" ".join(record.getMessage().split())] = None


@contextmanager
def _remarks(name: str) -> Iterator[None]:
    """Keep transformers' bars off the terminal, and log its warnings once, in mpt's own voice."""
    from transformers.utils import logging as theirs

    theirs.disable_progress_bar()
    theirs.set_verbosity_warning()
    theirs.disable_default_handler()
    kept = _Kept()
    theirs.add_handler(kept)
    try:
        yield
    finally:
        theirs.remove_handler(kept)
        theirs.enable_default_handler()
        silence_logging()
    for line in kept.lines:
        # a report of weights is read by _expect_whole
        if "LOAD REPORT" not in line:
            logging.getLogger("mpt").warning(
                "warning: transformers says of backbone %r: %s", name, line
            )


def silence_logging() -> None:
    """Keep transformers' own bars and warnings off the terminal."""
    from transformers.utils import logging as theirs

    theirs.disable_progress_bar()
    theirs.set_verbosity_error()


RMS_NORMS = ("T5LayerNorm", "MT5LayerNorm", "LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm")
"""Norms that compute x / rms(x) * weight, as torch's does; Gemma's multiplies by 1 + weight."""


def native_kernels(model: Any) -> Any:
    """Replace the model's own root-mean-square norms and GELU by torch's, in place.

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


def identity(place: str, commit: str | None = None, vocabularies: Iterable[str] = ()) -> str:
    """Return 12 hex digits that name weights, configuration and tokenizer.

    Prompts, units of work and cached token ids belong together where it is the same.

    Args:
        place: a folder or GGUF file, named by its bytes, or a Hub id, named by its commit.
        vocabularies: see ``folder_identity``.

    Raises:
        ConfigError: a Hub id whose commit is not known.
    """
    return source_of(place).identity(Path(place), commit, vocabularies)


def earlier_weights(name: str) -> str | None:
    """Return the identity of a folder by earlier versions, which left out its configuration and
    part of its tokenizer; None for what they named as this one does."""
    folder = Path(where(name))
    return earlier_identity(folder) if folder.is_dir() and folder != EMBEDDED else None


def tokenizer_software() -> str:
    """Return the versions of what turns texts into ids: another one may do it otherwise."""
    return " ".join(f"{one} {version(one)}" for one in TOKENIZERS)


def new_model(kind: str, **dims: Any) -> Any:
    """Make a randomly initialised ``bart``, ``gpt2``, ``llama`` or ``gemma``; ``dims`` as its
    configuration takes them."""
    import transformers

    config = transformers.AutoConfig.for_model(kind, **dims)
    return getattr(transformers, kind_of(config).auto).from_config(config)


def new_t5(**dims: Any) -> Any:
    """Make a randomly initialised T5 v1.1 (gated GELU); ``dims`` as ``T5Config`` takes.

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


def adafactor(weights: Mapping[str, object], rate: float) -> Any:
    """Make the optimiser of full fine-tuning as the paper's authors set it: as for prompts, and
    biases do not decay.

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
    """Wrap a ``tokenizers.Tokenizer`` for transformers, ready for ``save_pretrained``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
