"""Answers from a saved prompt: what a registered model does when it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mpt.backbone.frozen import Backbone, load_backbone
from mpt.config import BackboneConfig
from mpt.engine.evaluate import answer
from mpt.errors import ConfigError
from mpt.gym.tokens import Row
from mpt.lab.artefacts import read_prompt


@lru_cache(maxsize=2)
def _backbone(config: str) -> Backbone:
    return load_backbone(BackboneConfig.model_validate_json(config))


def predict(file: Path, config: Mapping[str, object], texts: Sequence[str]) -> list[str]:
    """What greedy decoding writes for each text behind the prompt in ``file``.

    Args:
        file: a prompt's safetensors file, ``[P, H]``.
        config: of the unit that made it: its ``backbone`` and the identity of the ``weights``.
        texts: inputs in the format of the gym.

    Raises:
        DataError: the prompt cannot be read.
        ConfigError: the backbone cannot be loaded, or its weights are not those of the prompt.
    """
    chosen = BackboneConfig.model_validate(config["backbone"])
    backbone: Backbone = _backbone(chosen.model_dump_json())
    same_weights(backbone, chosen, str(config["weights"]))
    theta = read_prompt(Path(file)).to(backbone.device, backbone.dtype)[None]
    (nothing,) = backbone.encode([""], chosen.max_target, "target")
    rows = [Row(ids, nothing) for ids in backbone.encode(list(texts), chosen.max_input)]
    return answer(backbone, theta, [rows], limit=chosen.max_target)[0]


def same_weights(backbone: Backbone, chosen: BackboneConfig, weights: str) -> None:
    """Raise ``ConfigError`` unless the backbone is the one that a prompt was made for."""
    if backbone.weights != weights:
        raise ConfigError(
            f"the prompt was made for weights {weights}, but backbone {chosen.name!r} "
            f"has {backbone.weights} here; use the version of mpt or of the model it was made with"
        )
