"""Load a frozen language model and see that it can do what a run needs."""

from __future__ import annotations

import logging

import torch

from mpt.backbone import hub
from mpt.backbone.frozen import LoadedBackbone
from mpt.backbone.kinds import kind_of
from mpt.backbone.proof import expect_finite, expect_room, prove
from mpt.backbone.proved import keep_proof, proof_name, was_proved
from mpt.config import BackboneConfig, Precision
from mpt.errors import ConfigError


def load_backbone(
    chosen: BackboneConfig | str = "mini", device: str | None = None, prove_anew: bool = False
) -> LoadedBackbone:
    """Load the frozen model of a configuration, or of a name with all else at its default.

    Args:
        chosen: ``mini``, a Hub id, a folder or a GGUF file, with prompt place and precision.
        device: default CUDA if there is one, else CPU.
        prove_anew: whether a proof kept from an earlier load is not taken for this one.

    Raises:
        ConfigError: no such model, not the whole of one, a device that is not there, a model too
            short for the prompt and the inputs, or a kind that mpt cannot prompt.
    """
    config = chosen if isinstance(chosen, BackboneConfig) else BackboneConfig(name=chosen)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if place.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"device {place!r} was asked for, but torch sees no CUDA device",
            fix="use cpu",
        )
    model, tokenizer, weights = hub.load(config.name)
    expect_room(config.name, config, model, tokenizer)
    model = model.to(place, torch.bfloat16 if config.precision == "bf16" else torch.float32)
    loaded = kind_of(model.config).freeze(model, tokenizer, weights, config.prompt_position)
    expect_finite(config.name, model)
    if model.device.type == "cuda":
        # the proof is of float32: rounding of TensorFloat-32 would hide what it is to show
        torch.set_float32_matmul_precision("highest")
    proof = proof_name(loaded)
    if prove_anew or not was_proved(proof):
        prove(config.name, loaded)
        keep_proof(proof)
    if model.device.type == "cuda":
        choose_products(config.precision)
    return loaded


def choose_products(precision: Precision) -> None:
    """Set how the process multiplies float32 numbers on a GPU; exactly is said to be slow."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if precision == "fp32":
        logging.getLogger("mpt").warning(
            "warning: precision fp32 leaves most of a GPU unused: bf16 is up to eight times as "
            "fast, tf32 up to four; set backbone.precision to one of them, or to auto"
        )
