"""Model folders of tiny models, loaded or refused."""

from __future__ import annotations

import json

import pytest
import torch
from tiny import TINY

from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig
from mpt.errors import ConfigError


def save(folder, kind="t5"):
    """A tiny model of some kind in memory, also saved as a folder."""
    tiny = TINY[kind](dtype=torch.float32)
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return tiny


def change(path, *leave, **changes):
    """Rewrite a JSON object on disk, keys changed or left out."""
    known = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in known.items() if key not in leave}))


def loaded(folder):
    """The backbone of a folder, for texts that every tiny model has positions for."""
    sizes = {"prompt_tokens": 3, "max_input": 8, "max_target": 4}
    return load_backbone(BackboneConfig(name=str(folder), **sizes), "cpu")


def refused(folder):
    """The line by which a folder is refused."""
    with pytest.raises(ConfigError) as error:
        loaded(folder)
    line = str(error.value)
    assert line.startswith(f"backbone {str(folder)!r}")
    assert len(line) < 900
    assert "\n" not in line
    return line
