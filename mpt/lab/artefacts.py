"""Soft prompts on disk: written whole before the ledger hears of them, read back or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mpt.errors import DataError, StoreError
from mpt.lab.home import Home
from mpt.storage import write_whole

_NAME = "prompt"


def prompt_path(digest: str) -> str:
    """Where the prompt of a unit lies, relative to the home folder.

    Raises:
        DataError: ``digest`` is not one; nothing else may become part of a path.
    """
    if not re.fullmatch(r"[0-9a-f]{8,64}", digest):
        raise DataError(f"{digest!r} is not a digest: 8 to 64 hexadecimal digits were wanted")
    return f"prompts/{digest}.safetensors"


def save_prompt(home: Home, digest: str, prompt: Tensor, metadata: Mapping[str, str]) -> str:
    """Write a prompt ``[P, H]`` whole or not at all; returns its path relative to the home folder.

    Raises:
        StoreError: the folder cannot be written or the disk is full.
    """
    path = prompt_path(digest)
    tensor = prompt.detach().cpu().contiguous()
    try:
        home.prompts.mkdir(parents=True, exist_ok=True)
        write_whole(home.root / path, save({_NAME: tensor}, dict(metadata)))
    except OSError as error:
        raise StoreError(
            f"the prompt {home.root / path} cannot be written ({error.strerror}); "
            "make room or set MPT_HOME to another folder, then run the same command"
        ) from None
    return path


def load_prompt(home: Home, path: str) -> Tensor:
    """The prompt ``[P, H]`` at a path relative to the home folder.

    Raises:
        DataError: the file is missing, damaged or not a prompt, or lies outside the home folder.
    """
    where = (home.root / path).resolve()
    if not where.is_relative_to(home.root.resolve()):
        raise DataError(f"prompt path {path!r} leads out of the home folder {home.root}")
    return read_prompt(where)


def read_prompt(where: Path) -> Tensor:
    """The prompt ``[P, H]`` in a safetensors file, on the CPU. Raises ``DataError``."""
    if not where.is_file():
        raise DataError(
            f"prompt file {where} is missing; restore it from a copy, or forget its unit in the "
            "ledger so that it is computed again"
        )
    try:
        with safe_open(where, "pt") as file:
            names = list(file.keys())
            if names != [_NAME]:
                raise DataError(
                    f"{where} holds the tensors {', '.join(names) or 'none'}, not one named "
                    f"{_NAME!r}: it is not a prompt of mpt"
                )
            prompt = file.get_tensor(_NAME)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"prompt file {where} is damaged ({error}); restore it from a copy, or forget its "
            "unit in the ledger so that it is computed again"
        ) from None
    if prompt.ndim != 2:
        raise DataError(
            f"{where} holds a tensor of shape {list(prompt.shape)}; a prompt is [tokens, width]"
        )
    return prompt
