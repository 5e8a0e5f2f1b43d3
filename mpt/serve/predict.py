"""Answers of a saved prompt, also of a registered model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mpt.backbone.frozen import Backbone
from mpt.backbone.hub import earlier_weights
from mpt.backbone.load import load_backbone
from mpt.compute.prompt_starts import for_backbone
from mpt.config import BackboneConfig, located_in
from mpt.engine.evaluate import answer
from mpt.errors import ConfigError
from mpt.gym.tokens import TokenRow
from mpt.store.artefacts import SHA256, known_sum, read_prompt
from mpt.store.unit import Unit

_OF_A_MODEL = "download the model again, or use another version of it (see `mpt registry list`)"


@lru_cache(maxsize=2)
def _backbone(config: str) -> Backbone:
    return load_backbone(BackboneConfig.model_validate_json(config))


def predict(file: Path, config: Mapping[str, object], texts: Sequence[str]) -> list[str]:
    """Decode an answer to each text greedily, with the prompt in ``file``.

    Args:
        file: a prompt's safetensors file, ``[P, H]``.
        config: of the unit that made it: its ``backbone`` and the identity of the ``weights``,
            and if known its ``digest`` and the file's SHA-256 (see ``asked_with``).
        texts: inputs in the format of the gym.

    Raises:
        DataError: the prompt cannot be read, or differs from the recorded one.
        ConfigError: the backbone cannot be loaded, or its weights are not those of the prompt.
    """
    chosen = located_in(config)
    backbone: Backbone = _backbone(chosen.model_dump_json())
    same_weights(backbone, chosen, str(config["weights"]))
    digest = str(config.get("digest") or "")
    prompt = read_prompt(
        file,
        digest=digest,
        sha256=str(config.get(SHA256) or ""),
        tokens=chosen.prompt_tokens,
        # a registered model holds a copy under another name than the digest
        cure="" if file.stem == digest else _OF_A_MODEL,
    )
    name = digest or file.stem
    theta = for_backbone(prompt, backbone, chosen.prompt_tokens, name)[None]
    (nothing,) = backbone.encode([""], chosen.max_target, "target")
    rows = [TokenRow(ids, nothing) for ids in backbone.encode(list(texts), chosen.max_input)]
    return answer(backbone, theta, [rows], limit=chosen.max_target)[0]


def asked_with(unit: Unit) -> dict[str, object]:
    """Return what ``predict`` needs of a unit besides its prompt file, as JSON."""
    software = unit.result.software
    identity = {"digest": unit.digest, SHA256: known_sum(unit)}
    return {**unit.config.stored(), **identity, "software": software.stored() if software else None}


def same_weights(backbone: Backbone, chosen: BackboneConfig, weights: str) -> None:
    """Check that the backbone is the one that a prompt was made for.

    Raises:
        ConfigError: its weights are others.
    """
    if backbone.weights == weights:
        return
    if weights == earlier_weights(chosen.name):
        raise ConfigError(
            f"the prompt was recorded under the earlier identity {weights} of {chosen.name!r}, "
            "which left out its configuration and part of its tokenizer, so it may have been "
            "learned on another model",
            fix="repeat the command that learned it to learn it again",
        )
    raise ConfigError(
        f"the prompt was made for weights {weights}, but backbone {chosen.name!r} "
        f"has {backbone.weights} here",
        fix="use the version of mpt or of the model that it was made with",
    )
