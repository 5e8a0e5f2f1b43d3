"""Export a prompt as a PEFT adapter that gives the same answers."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save

from mpt.backbone.hub import where
from mpt.backbone.load import load_backbone
from mpt.backbone.model_parts import bos_ids
from mpt.backbone.seq2seq import FrozenSeq2Seq
from mpt.compute.prompt_starts import for_backbone
from mpt.config import located
from mpt.errors import ConfigError, InputError
from mpt.files.atomic import write_whole
from mpt.serve.peft_adapter import CAUSAL, SEQ2SEQ, base_path, card
from mpt.serve.predict import same_weights
from mpt.store.artefacts import prompt_of
from mpt.store.home import Home
from mpt.store.row_checks import config_of
from mpt.store.unit import Unit

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"


def export_peft(unit: Unit, home: Home, folder: Path) -> str:
    """Write the prompt of a unit as a PEFT adapter into ``folder``, which is new or empty.

    PEFT puts a prompt before the input. For encoder-decoders ``num_transformer_submodules`` must
    be 1: at 2, the default, the decoder would read a prompt as well. Causal models must generate
    one text at a time and without a cache: with a cache PEFT 0.21 loses count of positions on
    transformers 5, and in batches padding comes between prompt and text. A README beside the
    adapter explains this, with a program that gives the same answers as mpt.

    Returns:
        A sentence on how PEFT must be used to give the same answers as mpt.

    Raises:
        InputError: the unit has no prompt, or ``folder`` is not empty or cannot be written.
        ConfigError: PEFT cannot place the prompt, which comes after the input, or after a token
            that a causal model's tokenizer puts first; or the backbone is another one than the
            prompt was made for.
    """
    if unit.artefact is None:
        raise InputError(
            f"unit {unit.digest} is {unit.state} and has no prompt to export",
            fix="name a completed meta-training, or a completed cell of prompt tuning",
        )
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"{folder} is not an empty folder",
            fix="name a new or empty one",
        )
    config = config_of(unit)
    chosen = located(config)
    if chosen.prompt_position != "before":
        raise ConfigError(
            f"unit {unit.digest} was learned with its prompt {chosen.prompt_position} the input, "
            "and PEFT puts prompts before it, which changes answers",
            fix="export one learned with prompt_position 'before'",
        )
    backbone = load_backbone(chosen, "cpu")
    same_weights(backbone, chosen, config.weights)
    seq2seq = isinstance(backbone, FrozenSeq2Seq)
    if not seq2seq and bos_ids(backbone.tokenizer):
        raise ConfigError(
            f"the tokenizer of {chosen.name!r} puts a token before every text, and the prompt of "
            f"unit {unit.digest} comes after it, where PEFT cannot put it",
            fix=f"use `mpt predict {unit.digest}`, or its registered model in MLflow",
        )
    prompt = prompt_of(home, unit)
    prompt = for_backbone(prompt, backbone, chosen.prompt_tokens, unit.digest)
    base = base_path(chosen.name, where(chosen.name))
    config = {
        "peft_type": "PROMPT_TUNING",
        "task_type": "SEQ_2_SEQ_LM" if seq2seq else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "num_virtual_tokens": prompt.shape[0],
        "token_dim": prompt.shape[1],
        "num_transformer_submodules": 1,
        "prompt_tuning_init": "RANDOM",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = save({"prompt_embeddings": prompt.contiguous()}, {"format": "pt"})
        write_whole(folder / WEIGHTS, tensors)
        write_whole(folder / CARD, card(backbone, chosen, base, unit.digest).encode())
        write_whole(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror})",
            fix="name another folder",
        ) from None
    return SEQ2SEQ if seq2seq else CAUSAL
