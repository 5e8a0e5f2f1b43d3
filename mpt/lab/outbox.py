"""Records that wait on disk for a server: in order, and SIGKILL loses none.

A spool is one process's folder under the outbox, and the process holds its lock until it dies::

    outbox/20260131T120000.123456-4711-9f3c/
        owner               locked by the process that appends; free when it is dead
        000001.jsonl        "CRC32 JSON\\n" per record; a torn last line is no record
        files/000007/       copies of files that records speak of
        cursor              the first byte that has not been taken yet

When the disk refuses, records wait in memory and are written as soon as it takes them again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

SEGMENT = 4 * 2**20
"""Bytes after which a new segment is begun, so that what was taken can be deleted."""


@dataclass(frozen=True)
class Entry:
    """A record and where the next one begins; ``after`` is None while it is only in memory."""

    record: Mapping[str, Any]
    after: tuple[int, int] | None
    file: Path | None


class Spool:
    """One folder of records with one owner; appending and taking may be two threads.

    Attributes:
        trouble: why the disk does not take records at the moment; empty when it does.
    """

    def __init__(self, folder: Path, lock: int, *, is_new: bool) -> None:
        self.folder = folder
        self.trouble = ""
        self._lock, self._is_new = lock, is_new
        self._waiting: deque[bytes] = deque()
        self._in_flight = False
        self._mutex = threading.Lock()
        self._segment, self._end = 1, 0
        self._handle = self._mark = -1
        self._is_dirty = False
        self._cursor = (1, 0) if is_new else self._read_cursor()
        self._appended = 0 if is_new else sum(1 for _ in self._from(self._cursor))
        self._taken = 0

    @classmethod
    def begin(cls, outbox: Path) -> Spool:
        """A new spool of this process; on disk from its first record on."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        name = f"{now}-{os.getpid()}-{uuid4().hex[:4]}"
        return cls(outbox / name, -1, is_new=True)

    @classmethod
    def adopt(cls, folder: Path) -> Spool | None:
        """The spool of a process that is dead; None when its owner lives or it is gone."""
        try:
            lock = os.open(folder / "owner", os.O_RDWR)
        except OSError:
            return None
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever had the lock before may have emptied and deleted the spool
            if os.fstat(lock).st_nlink:
                return cls(folder, lock, is_new=False)
        os.close(lock)
        return None

    @property
    def left(self) -> int:
        """Records not taken yet."""
        return self._appended - self._taken

    @property
    def in_memory(self) -> int:
        """Records that the disk did not take, lost with the process unless it does."""
        return len(self._waiting)

    def append(self, record: Mapping[str, Any], file: Path | None = None, name: str = "") -> None:
        """Keep a record, with a copy of ``file`` as ``name``; never raises because of the disk."""
        with self._mutex:
            self._appended += 1
            fields = dict(record)
            if file is not None:
                fields["file"] = self._copied(
                    file, f"files/{self._appended:06d}/{name or file.name}"
                )
            text = json.dumps(fields, separators=(",", ":"), default=_plain).encode()
            self._waiting.append(_sealed(text))
            self._drain()

    def next(self) -> Entry | None:
        """The oldest record not taken yet, from memory if the disk does not take it."""
        with self._mutex:
            self._in_flight = False
            self._drain()
            found = next(self._from(self._cursor), None)
            if found is not None:
                line, after = found
            elif self._waiting:
                line, after = self._waiting[0], None
                self._in_flight = True
            else:
                return None
        record = json.loads(line[9:])
        name = record.pop("file", None)
        return Entry(record, after, None if name is None else self.folder / name)

    def take(self, entry: Entry) -> None:
        """Never give this record again."""
        with self._mutex:
            self._taken += 1
            if entry.after is None:
                self._waiting.popleft()
                self._in_flight = False
            else:
                self._move_cursor(entry.after)
            if entry.file is not None and entry.file.is_relative_to(self.folder):
                shutil.rmtree(entry.file.parent, ignore_errors=True)

    def sync(self) -> None:
        """Force what was appended onto the disk."""
        with self._mutex, suppress(OSError):
            if self._is_dirty and self._handle >= 0:
                os.fsync(self._handle)
                self._is_dirty = False

    def close(self) -> None:
        """Give up the spool: deleted if nothing is left, else there for the next one to adopt."""
        self.sync()
        with self._mutex:
            self._drain()
            if self.left == 0:
                shutil.rmtree(self.folder, ignore_errors=True)
            for handle in (self._handle, self._mark, self._lock):
                if handle >= 0:
                    os.close(handle)
            self._handle = self._mark = self._lock = -1

    def _drain(self) -> None:
        """Write what waits in memory; what was written in part is cut off again."""
        if self._in_flight:
            return
        try:
            while self._waiting:
                self._open_segment()
                line = self._waiting[0]
                done = 0
                while done < len(line):
                    done += os.write(self._handle, line[done:])
                self._end += len(line)
                self._is_dirty = True
                self._waiting.popleft()
            self.trouble = ""
        except OSError as error:
            self.trouble = error.strerror or str(error)
            self._mend()

    def _mend(self) -> None:
        """Cut off what was written of a record, or leave it as the end of its segment."""
        if self._handle >= 0:
            try:
                os.ftruncate(self._handle, self._end)
            except OSError:
                self._end = SEGMENT

    def _open_segment(self) -> None:
        if self._is_new:
            self._make_folder()
        if self._handle >= 0 and self._end < SEGMENT:
            return
        if self._handle >= 0:
            os.close(self._handle)
            self._handle, self._segment, self._end = -1, self._segment + 1, 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._handle = os.open(self._path(self._segment), flags, 0o600)

    def _make_folder(self) -> None:
        """Make the folder with its lock taken, so that nobody takes it for a dead owner's."""
        hidden = self.folder.with_name(f".{self.folder.name}")
        hidden.mkdir(parents=True, exist_ok=True)
        lock = os.open(hidden / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(self.folder)
        self._lock, self._is_new = lock, False

    def _copied(self, file: Path, name: str) -> str:
        """The copy's path in the spool; the file's own where it cannot be copied."""
        try:
            if self._is_new:
                self._make_folder()
            (self.folder / name).parent.mkdir(parents=True)
            shutil.copyfile(file, self.folder / name)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            shutil.rmtree((self.folder / name).parent, ignore_errors=True)
            return str(file.absolute())
        return name

    def _from(self, cursor: tuple[int, int]) -> Iterator[tuple[bytes, tuple[int, int]]]:
        """Every whole line from a position on, with the position after it."""
        segment, offset = cursor
        while (path := self._path(segment)).exists():
            with path.open("rb") as file:
                file.seek(offset)
                for line in file:
                    offset += len(line)
                    if _is_whole(line):
                        yield line, (segment, offset)
            segment, offset = segment + 1, 0

    def _move_cursor(self, to: tuple[int, int]) -> None:
        for done in range(self._cursor[0], to[0]):
            self._path(done).unlink(missing_ok=True)
        self._cursor = to
        # a cursor that cannot be written only means that records are given twice after a crash;
        # overwritten in place, for replacing a file makes some file systems flush it
        with suppress(OSError):
            if self._mark < 0:
                self._mark = os.open(self.folder / "cursor", os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._mark, _sealed(b"%06d %012d" % to), 0)

    def _read_cursor(self) -> tuple[int, int]:
        with suppress(OSError):
            line = (self.folder / "cursor").read_bytes()
            if _is_whole(line):
                segment, offset = line[9:].split()
                return int(segment), int(offset)
        return min((int(path.stem) for path in self.folder.glob("*.jsonl")), default=1), 0

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:06d}.jsonl"


def _sealed(text: bytes) -> bytes:
    """A line that tells whether it is whole."""
    return b"%08x %s\n" % (crc32(text), text)


def _is_whole(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:8] == b"%08x" % crc32(line[9:-1])


def _plain(value: Any) -> Any:
    """A NumPy or torch scalar as Python's; anything else as its text."""
    return value.item() if hasattr(value, "item") else str(value)


def orphans(outbox: Path) -> list[Spool]:
    """The spools that dead processes left behind, oldest first, now owned by this process."""
    folders = sorted(folder for folder in outbox.glob("[0-9]*-*-*") if folder.is_dir())
    return [spool for folder in folders if (spool := Spool.adopt(folder)) is not None]


def waiting(outbox: Path) -> int:
    """Records in every spool, those of living processes among them; changes and locks nothing."""
    count = 0
    for folder in outbox.glob("[0-9]*-*-*"):
        # its owner may finish and delete it meanwhile
        with suppress(OSError):
            count += Spool(folder, -1, is_new=False).left
    return count
