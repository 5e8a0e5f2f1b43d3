"""Soft prompts on disk: written whole before the ledger records them, verified when read."""

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
    # torch takes seconds to import, and finding a unit in the ledger does not need it
    from torch import Tensor

SHA256 = "prompt_sha256"
"""The key, in a registered model's configuration, of the SHA-256 of its prompt file."""

_NAME = "prompt"


def prompt_path(digest: str) -> str:
    """Return the path of a unit's prompt, relative to the home folder.

    Raises:
        DataError: ``digest`` is not a digest; nothing else may become part of a path.
    """
    if not re.fullmatch(r"[0-9a-f]{8,64}", digest):
        raise DataError(
            f"{digest!r} is not a digest",
            fix="give 8 to 64 hexadecimal digits",
        )
    return f"prompts/{digest}.safetensors"


def save_prompt(home: Home, digest: str, prompt: Tensor, metadata: Mapping[str, str]) -> str:
    """Write a prompt ``[P, H]``, completely or not at all.

    Returns:
        Its path, relative to the home folder.

    Raises:
        StoreError: the folder cannot be written, or the disk is full.
    """
    from mpt.files.tensor_file import tensor_bytes

    path = prompt_path(digest)
    try:
        home.prompts.mkdir(parents=True, exist_ok=True)
        notes = {"digest": digest, **metadata}
        write_whole(home.root / path, tensor_bytes({_NAME: prompt}, notes))
    except OSError as error:
        raise StoreError(
            f"the prompt {home.root / path} cannot be written ({error.strerror})",
            fix="make room or set MPT_HOME to another folder, then run the same command",
        ) from None
    return path


def file_sum(where: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex. Raises ``OSError``."""
    return hashlib.sha256(where.read_bytes()).hexdigest()


def prompt_of(home: Home, unit: Unit) -> Tensor:
    """Load the prompt ``[P, H]`` of a unit and verify that it is the one that was recorded.

    Raises:
        DataError: the unit has no prompt, or its file is missing, damaged, the prompt of another
            unit, or outside the home folder.
    """
    return read_prompt(
        prompt_file(home, unit), digest=unit.digest, sha256=known_sum(unit), tokens=_tokens(unit)
    )


def prompt_file(home: Home, unit: Unit) -> Path:
    """Return the prompt file of a unit without reading it. Raises ``DataError`` if it has none."""
    if unit.artefact is None:
        raise DataError(
            f"unit {unit.digest} is {unit.state} and has no prompt",
            fix="give the digest of a completed meta-training or cell",
        )
    return _inside(home, unit.artefact, unit.digest)


def whole_prompt(home: Home, unit: Unit) -> Path:
    """Return the prompt file of a unit after verifying its contents. Raises ``DataError``."""
    where = prompt_file(home, unit)
    with suppress(OSError):
        # the same bytes as when the unit was recorded: no need to load torch
        if file_sum(where) == known_sum(unit):
            return where
    prompt_of(home, unit)
    return where


def known_sum(unit: Unit) -> str:
    """Return the SHA-256 of a unit's prompt as recorded; empty for units of older ledgers."""
    result = unit.result
    return (result.prompt_sha256 or "") if isinstance(result, MetaResult | CellResult) else ""


def load_prompt(home: Home, path: str, *, sha256: str = "") -> Tensor:
    """Load the prompt ``[P, H]`` at a path relative to the home folder; see ``read_prompt``.

    Raises:
        DataError: the file is missing, damaged, not a prompt, or outside the home folder.
    """
    digest = Path(path).stem
    return read_prompt(_inside(home, path, digest), digest=digest, sha256=sha256)


def read_prompt(
    where: Path, *, digest: str = "", sha256: str = "", tokens: int | None = None, cure: str = ""
) -> Tensor:
    """Read and verify the prompt ``[P, H]`` in a safetensors file, on the CPU.

    The bytes are read once, so that what is verified is what is returned.

    Args:
        where: the file.
        digest: the unit that it must belong to; empty for any.
        sha256: of the file's bytes; empty where it is unknown.
        tokens: P; None where it is unknown.
        cure: what to do about an unusable file, for the error; by default to restore a copy or to
            forget the unit.

    Raises:
        DataError: the file is missing, damaged or another prompt, or holds NaN or infinity.
    """
    cure = cure or _cure(digest or where.stem)
    if not where.is_file():
        state = "is a folder, not a file" if where.is_dir() else "is missing"
        raise DataError(
            f"prompt file {where} {state}",
            fix=f"{cure}",
        )
    tensors, owner, fault = _opened(where, sha256)
    if not fault and list(tensors) != [_NAME]:
        raise DataError(
            f"{where} holds the tensors {', '.join(tensors) or 'none'}, not one named "
            f"{_NAME!r}: it is not a prompt of mpt",
            fix=f"{cure}",
        )
    fault = fault or _fault(tensors[_NAME], owner, digest, tokens)
    if fault:
        raise DataError(
            f"prompt file {where} is damaged ({fault})",
            fix=f"{cure}",
        )
    return tensors[_NAME]


def _opened(where: Path, sha256: str) -> tuple[dict[str, Tensor], str | None, str]:
    """Return the tensors of a file, the digest in its metadata, and its fault (empty for none)."""
    from safetensors.torch import load

    from mpt.files.tensor_file import notes_of

    try:
        data = where.read_bytes()
        if fault := _changed(data, sha256):
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


def _changed(data: bytes, expected: str) -> str:
    actual = hashlib.sha256(data).hexdigest()
    if not expected or actual == expected:
        return ""
    return f"its SHA-256 is {actual[:12]}..., the ledger has {expected[:12]}..."


def _fault(prompt: Tensor, owner: str | None, digest: str, tokens: int | None) -> str:
    """Return what is wrong with a prompt that could be loaded; empty if nothing is."""
    import torch

    if prompt.ndim != 2 or 0 in prompt.shape:
        return f"its tensor has shape {list(prompt.shape)}, not [tokens, width]"
    if digest and owner != digest:
        return f"it is the prompt of {owner or 'no unit'}, not of {digest}"
    if tokens is not None and len(prompt) != tokens:
        return f"it has {len(prompt)} tokens, its unit {tokens}"
    if not prompt.is_floating_point():
        return f"it is of type {prompt.dtype}"
    return "" if bool(torch.isfinite(prompt).all()) else "it holds NaN or infinity"
