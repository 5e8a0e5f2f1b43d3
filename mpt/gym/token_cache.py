"""Token ids on disk: what was tokenised once is mapped into memory ever after."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from mpt.files.atomic import write_whole

_IDS = np.dtype("<i4")

Texts = tuple[Sequence[str], int]
"""Texts, and how many tokens of each are kept."""


@dataclass(frozen=True, slots=True)
class TokenCache:
    """A folder of ``<key>.i32``, each the token ids of one part of a split; safe to delete.

    A file is one vector of ``int32`` without a header: checksum of its key and the rest,
    number of texts, where each text ends, the ids of all texts. Its key covers the tokenizer, the
    limits and every text: equal parts are tokenised once whatever task or data seed they belong
    to, and no file is ever stale.

    A cache is only a help: a damaged file counts as missing and is written again, and a folder
    that cannot be written is passed over.

    Attributes:
        folder: what is written before it is there waits in memory for ``keep``: a home is not
            written to by looking at rows.
        tokenizer: identity of the tokenizer, ``Backbone.weights``, and of the software it runs on.
    """

    folder: Path
    tokenizer: str
    _waiting: dict[str, np.ndarray] = field(default_factory=dict, compare=False)

    def key(self, *lists: Texts) -> str:
        """32 hex digits over all that the ids depend on."""
        seen = sha256(self.tokenizer.encode())
        for texts, limit in lists:
            seen.update(b"\n%d %d" % (limit, len(texts)))
            for text in texts:
                data = text.encode("utf-8", "surrogatepass")
                seen.update(b"\n%d " % len(data))
                seen.update(data)
        return seen.hexdigest()[:32]

    def read(self, key: str) -> list[np.ndarray] | None:
        """Ids of each text, views of the mapped file; None where it is missing or damaged."""
        try:
            whole = np.asarray(np.memmap(self._path(key), _IDS, mode="r"))
        except (OSError, ValueError):
            return None
        if len(whole) < 2 or whole[0] != _checksum(key, whole[1:]):
            return None
        count = int(whole[1])
        ends, ids = whole[2 : 2 + count].tolist(), whole[2 + count :]
        return [ids[begin:end] for begin, end in pairwise([0, *ends])]

    def write(self, key: str, ids: Sequence[np.ndarray]) -> None:
        """Keep the ids of a list of texts, whole or not at all."""
        ends = list(accumulate(len(row) for row in ids))
        body = np.concatenate([np.array([len(ids), *ends]), *ids]).astype(_IDS)
        if not self.folder.is_dir():
            self._waiting[key] = body
            return
        self._write(key, body)

    def keep(self) -> None:
        """Write what was tokenised before the folder was made."""
        while self._waiting and self.folder.is_dir():
            self._write(*self._waiting.popitem())

    def _write(self, key: str, body: np.ndarray) -> None:
        checksum = np.array([_checksum(key, body)], _IDS)
        with suppress(OSError):
            write_whole(self._path(key), checksum.tobytes() + body.tobytes())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.i32"


def _checksum(key: str, body: np.ndarray) -> int:
    """CRC-32 of a key and a vector's bytes, as a number that an ``int32`` holds."""
    return zlib.crc32(body.tobytes(), zlib.crc32(key.encode())) - 2**31
