"""Soft prompts on disk: written whole before the ledger hears of them, read back or refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from mpt.errors import DataError, StoreError
from mpt.files.atomic import contained, write_whole
from mpt.store.home import Home
from mpt.store.results import CellResult, MetaResult
from mpt.store.unit import DamagedConfig, Unit

if TYPE_CHECKING:
    # torch takes seconds to import, and looking a unit up needs none of it
    from torch import Tensor

SHA256 = "prompt_sha256"
"""The key of a registered model's configuration for the SHA-256 of its prompt's file."""

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
    from mpt.files.tensor_file import tensor_bytes

    path = prompt_path(digest)
    try:
        home.prompts.mkdir(parents=True, exist_ok=True)
        notes = {"digest": digest, **metadata}
        write_whole(home.root / path, tensor_bytes({_NAME: prompt}, notes))
    except OSError as error:
        raise StoreError(
            f"the prompt {home.root / path} cannot be written ({error.strerror}); "
            "make room or set MPT_HOME to another folder, then run the same command"
        ) from None
    return path


def file_sum(where: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises ``OSError``."""
    return hashlib.sha256(where.read_bytes()).hexdigest()


def prompt_of(home: Home, unit: Unit) -> Tensor:
    """The prompt ``[P, H]`` of a unit, as it was when the unit was recorded.

    Raises:
        DataError: it has none, or its file is missing, damaged or another one's, or lies outside
            the home folder.
    """
    return read_prompt(
        prompt_file(home, unit), digest=unit.digest, sha256=known_sum(unit), tokens=_tokens(unit)
    )


def prompt_file(home: Home, unit: Unit) -> Path:
    """Where the prompt of a unit lies. Raises ``DataError`` as ``prompt_of``, the file unread."""
    if unit.artefact is None:
        raise DataError(f"unit {unit.digest} is {unit.state} and has no prompt")
    return _inside(home, unit.artefact, unit.digest)


def whole_prompt(home: Home, unit: Unit) -> Path:
    """Where the prompt of a unit lies, once it has been seen to be whole. Raises ``DataError``."""
    where = prompt_file(home, unit)
    with suppress(OSError):
        # the very bytes that were whole when they were recorded
        if file_sum(where) == known_sum(unit):
            return where
    prompt_of(home, unit)
    return where


def known_sum(unit: Unit) -> str:
    """SHA-256 of a unit's prompt as the ledger has it; empty for units of older ledgers."""
    result = unit.result
    return (result.prompt_sha256 or "") if isinstance(result, MetaResult | CellResult) else ""


def load_prompt(home: Home, path: str, *, sha256: str = "") -> Tensor:
    """The prompt ``[P, H]`` at a path relative to the home folder; see ``read_prompt``.

    Raises:
        DataError: the file is missing, damaged or not a prompt, or lies outside the home folder.
    """
    digest = Path(path).stem
    return read_prompt(_inside(home, path, digest), digest=digest, sha256=sha256)


def read_prompt(
    where: Path, *, digest: str = "", sha256: str = "", tokens: int | None = None, cure: str = ""
) -> Tensor:
    """The prompt ``[P, H]`` in a safetensors file, on the CPU, its bytes read once and checked.

    Args:
        where: the file.
        digest: of the unit that it must belong to.
        sha256: of its bytes, as far as it is known.
        tokens: P, as far as it is known.
        cure: what helps where the file cannot be used; by default a copy, or forgetting the unit.

    Raises:
        DataError: the file is missing, or is not this prompt, whole and finite.
    """
    cure = cure or _cure(digest or where.stem)
    if not where.is_file():
        state = "is a folder, not a file" if where.is_dir() else "is missing"
        raise DataError(f"prompt file {where} {state}; {cure}")
    tensors, noted, fault = _opened(where, sha256)
    if not fault and list(tensors) != [_NAME]:
        raise DataError(
            f"{where} holds the tensors {', '.join(tensors) or 'none'}, not one named "
            f"{_NAME!r}: it is not a prompt of mpt; {cure}"
        )
    fault = fault or _fault(tensors[_NAME], noted, digest, tokens)
    if fault:
        raise DataError(f"prompt file {where} is damaged ({fault}); {cure}")
    return tensors[_NAME]


def _opened(where: Path, known: str) -> tuple[dict[str, Tensor], str | None, str]:
    """The tensors of a file, the digest noted in it, and what is wrong with it, if anything."""
    from safetensors.torch import load

    from mpt.files.tensor_file import notes_of

    try:
        data = where.read_bytes()
        if fault := _changed(data, known):
            return {}, None, fault
        return load(data), notes_of(data).get("digest"), ""
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        return {}, None, str(error).partition("\n")[0] or type(error).__name__


def _inside(home: Home, path: str, digest: str) -> Path:
    contained(home.root, path, "prompt path", _cure(digest))
    return home.root / path


def _cure(digest: str) -> str:
    return (
        f"restore it from a copy, or forget its unit (`mpt studies forget {digest}`), so that the "
        "command that computed it computes it again"
    )


def _tokens(unit: Unit) -> int | None:
    config = unit.config
    return None if isinstance(config, DamagedConfig) else config.backbone.prompt_tokens


def _changed(data: bytes, known: str) -> str:
    found = hashlib.sha256(data).hexdigest()
    if not known or found == known:
        return ""
    return f"its SHA-256 is {found[:12]}..., the ledger has {known[:12]}..."


def _fault(prompt: Tensor, noted: str | None, digest: str, tokens: int | None) -> str:
    """What is wrong with a prompt that can be read, or nothing."""
    import torch

    if prompt.ndim != 2 or 0 in prompt.shape:
        return f"it holds a tensor of shape {list(prompt.shape)}; a prompt is [tokens, width]"
    if digest and noted != digest:
        return f"it is the prompt of {noted or 'no unit'}, not of {digest}"
    if tokens is not None and len(prompt) != tokens:
        return f"it has {len(prompt)} tokens, its unit {tokens}"
    if not prompt.is_floating_point():
        return f"it is of type {prompt.dtype}"
    return "" if bool(torch.isfinite(prompt).all()) else "it holds NaN or infinity"
