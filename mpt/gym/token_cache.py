"""Token ids on disk: each part of a split is tokenised once and memory-mapped afterwards."""

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
"""Texts, and the number of tokens kept of each."""


@dataclass(frozen=True, slots=True)
class TokenCache:
    """A folder of files ``<key>.i32``, each with the token ids of one part of a split.

    A file is one vector of ``int32`` without a header: a checksum over its key and the rest, the
    number of texts, the end of each text, the ids of all texts. The key covers the tokenizer, the
    limits and every text, so equal parts are tokenised once whatever task or data seed they belong
    to, and no file is ever stale.

    The folder is safe to delete. A damaged file counts as missing and is written again, and a
    folder that cannot be written to is ignored.

    Attributes:
        folder: while it does not exist, ids wait in memory for ``keep``, because looking at rows
            must not create files in a home folder.
        tokenizer: identity of the tokenizer, ``Backbone.weights``, and of the software it runs on.
    """

    folder: Path
    tokenizer: str
    _waiting: dict[str, np.ndarray] = field(default_factory=dict, compare=False)

    def key(self, *lists: Texts) -> str:
        """Return 32 hex digits over everything that the ids depend on."""
        digest = sha256(self.tokenizer.encode())
        for texts, limit in lists:
            digest.update(b"\n%d %d" % (limit, len(texts)))
            for text in texts:
                data = text.encode("utf-8", "surrogatepass")
                digest.update(b"\n%d " % len(data))
                digest.update(data)
        return digest.hexdigest()[:32]

    def read(self, key: str) -> list[np.ndarray] | None:
        """Return the ids of each text as views of the mapped file.

        Returns None if the file is missing or damaged.
        """
        try:
            content = np.asarray(np.memmap(self._path(key), _IDS, mode="r"))
        except (OSError, ValueError):
            return None
        if len(content) < 2 or content[0] != _checksum(key, content[1:]):
            return None
        count = int(content[1])
        ends, ids = content[2 : 2 + count].tolist(), content[2 + count :]
        return [ids[begin:end] for begin, end in pairwise([0, *ends])]

    def write(self, key: str, ids: Sequence[np.ndarray]) -> None:
        """Write the ids of a list of texts atomically, or hold them until the folder exists."""
        ends = list(accumulate(len(row) for row in ids))
        body = np.concatenate([np.array([len(ids), *ends]), *ids]).astype(_IDS)
        if not self.folder.is_dir():
            self._waiting[key] = body
            return
        self._write(key, body)

    def keep(self) -> None:
        """Write the ids that were tokenised before the folder existed."""
        while self._waiting and self.folder.is_dir():
            self._write(*self._waiting.popitem())

    def _write(self, key: str, body: np.ndarray) -> None:
        checksum = np.array([_checksum(key, body)], _IDS)
        with suppress(OSError):
            write_whole(self._path(key), checksum.tobytes() + body.tobytes())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.i32"


def _checksum(key: str, body: np.ndarray) -> int:
    """Return the CRC-32 of a key and a vector's bytes, shifted into the range of ``int32``."""
    return zlib.crc32(body.tobytes(), zlib.crc32(key.encode())) - 2**31
