"""Remember which models were proved on this machine: what a proof depends on, kept on disk.

A proof asks nothing but what files, software and device decide. The weights' identity is computed
at every load anyway, so a proof that was made once under the same name need not be made again.
"""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from mpt.backbone.frozen import LoadedBackbone

SOFTWARE = ("torch", "transformers", "tokenizers", "numpy")


def proof_name(backbone: LoadedBackbone) -> str:
    """Return 64 hex digits over all that the proof of a loaded model depends on."""
    device = backbone.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    parts = (
        *(backbone.weights, type(backbone).__name__, backbone.place, backbone.attention),
        # the embedded model's identity leaves its configuration out
        backbone.model.config.to_json_string(),
        *(str(backbone.embed.weight.dtype), device.type, name, _code()),
        *(f"{package} {version(package)}" for package in SOFTWARE),
    )
    return sha256("\n".join(parts).encode()).hexdigest()


def was_proved(name: str) -> bool:
    """Whether a proof of this name was made and kept."""
    folder = _folder()
    return folder is not None and (folder / name).is_file()


def keep_proof(name: str) -> None:
    """Remember that a proof was made; a machine that keeps nothing proves again."""
    if (folder := _folder()) is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()


def _folder() -> Path | None:
    """The folder ``proofs`` of mpt's cache; None where there is no home."""
    folder = user_cache_path("mpt") / "proofs"
    return folder if folder.is_absolute() else None


@cache
def _code() -> str:
    """Identity of the code that a proof is made with, and of the code that it proves."""
    seen = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        seen.update(path.read_bytes())
    return seen.hexdigest()
