"""Lines of a spool: a record, its number and a checksum, so that what a disk did to it shows."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

NUMBER = "nr"
"""The field of a record that holds its number."""


def numbered(text: bytes, number: int) -> bytes:
    """Insert a record's number into its JSON object, as the first field."""
    return b'{"%s":%d,' % (NUMBER.encode(), number) + text[1:]


def crc_of(file: Path) -> str:
    """Return the CRC32 of a file, 8 hexadecimal digits."""
    total = 0
    with file.open("rb") as data:
        while part := data.read(2**20):
            total = crc32(part, total)
    return f"{total:08x}"


def sealed(text: bytes) -> bytes:
    """Build a line with a checksum, by which ``is_whole`` recognises it."""
    return b"%08x %s\n" % (crc32(text), text)


def is_whole(line: bytes) -> bool:
    """Return whether a line is as ``sealed`` built it."""
    return line.endswith(b"\n") and line[:8] == b"%08x" % crc32(line[9:-1])
