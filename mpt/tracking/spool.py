"""The records of one process that wait on disk for a server, in order; a SIGKILL loses none.

A spool is a folder in the outbox; the process holds its lock until it dies::

    outbox/20260131T120000.123456-4711-9f3c/
        owner               locked by the process that appends; how many records it has written
        000001.jsonl        "CRC32 JSON\\n" per record, numbered; a torn last line is no record
        files/000007/       copies of files that records refer to, their CRC32 in the record
        cursor              the first byte that was not taken yet, and the number last taken

Records that were damaged or deleted on disk are skipped, and the numbers reveal how many these are.
When the disk is full, records wait in memory and are written as soon as it has room again.
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
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mpt.errors import DataError
from mpt.files.atomic import contained
from mpt.tracking.record_lines import NUMBER, crc_of, is_whole, numbered, sealed

SEGMENT = 4 * 2**20
"""Bytes after which a new segment is begun, so that old ones can be deleted."""


@dataclass(frozen=True)
class SpoolEntry:
    """Hold a record that is next to be sent.

    Attributes:
        after: where the next record begins; None while this one is only in memory.
        file: the file that it refers to, if any.
        fault: why that file must not be sent: it is outside the home folder.
    """

    record: Mapping[str, Any]
    after: Place | None
    file: Path | None
    fault: str = ""


@dataclass(frozen=True, order=True)
class Place:
    """Mark the end of a record: its segment, the byte in it, and its number, from 1."""

    segment: int = 1
    offset: int = 0
    number: int = 0


class Spool:
    """Queue records in a folder with one owner; two threads may append and take.

    Attributes:
        trouble: why the disk does not accept records at the moment; empty when it does.
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
        self._copies = 0
        self._cursor = Place() if is_new else self._read_cursor()
        self._passed, self._lost = self._cursor.number, 0
        # the count first: its owner may live, and continue to write
        counted = 0 if is_new else self._counted()
        numbers = [] if is_new else [after.number for _, after in self._from(self._cursor)]
        self._written = max([counted, self._passed, *numbers])
        self._damaged = self._written - self._passed - len(numbers)

    @classmethod
    def begin(cls, outbox: Path) -> Spool:
        """Begin a spool of this process; its folder appears with the first record."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        name = f"{now}-{os.getpid()}-{uuid4().hex[:4]}"
        return cls(outbox / name, -1, is_new=True)

    @classmethod
    def adopt(cls, folder: Path) -> Spool | None:
        """Take over the spool of a dead process.

        Returns:
            None if its owner lives, or the spool no longer exists.

        Raises:
            OSError: the spool cannot be read.
        """
        try:
            lock = os.open(folder / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever had the lock before may have emptied and deleted the spool
            if folder.exists():
                return cls(folder, lock, is_new=False)
        except BlockingIOError:
            pass
        except OSError:
            os.close(lock)
            raise
        os.close(lock)
        return None

    @property
    def left(self) -> int:
        """Number of records that are not taken yet and can be."""
        return self._written - self._passed - self._damaged + len(self._waiting)

    @property
    def damaged(self) -> int:
        """Number of records found to be lost when the spool was adopted and not skipped yet."""
        return self._damaged

    @property
    def in_memory(self) -> int:
        """Number of records that the disk did not accept yet; they are lost with the process."""
        return len(self._waiting)

    def confess(self) -> int:
        """Return how many damaged or deleted records ``next`` skipped since the last call."""
        with self._mutex:
            lost, self._lost = self._lost, 0
            return lost

    def append(self, record: Mapping[str, Any], file: Path | None = None, name: str = "") -> None:
        """Append a record, with a copy of ``file`` as ``name``; never raise because of the disk."""
        with self._mutex:
            fields = dict(record)
            if file is not None:
                self._copies += 1
                fields |= self._copied(file, f"files/{self._copies:06d}/{name or file.name}")
            text = json.dumps(fields, separators=(",", ":"), default=_plain).encode()
            self._waiting.append(text)
            self._drain()

    def next(self) -> SpoolEntry | None:
        """Return the oldest record that is not taken yet, from disk or from memory.

        Returns:
            None if there is none.

        Raises:
            OSError: the disk cannot be read at the moment.
        """
        with self._mutex:
            self._in_flight = False
            self._drain()
            for record, after in self._from(self._cursor):
                file, fault = self._file_of(record)
                if fault is not None:
                    self._pass(after.number - 1)
                    return SpoolEntry(record, after, file, fault)
            self._pass(self._written)
            if not self._waiting:
                return None
            self._in_flight = True
            record = json.loads(self._waiting[0])
            file, fault = self._file_of(record)
            return SpoolEntry(record, None, file, fault or "")

    def take(self, entry: SpoolEntry) -> None:
        """Mark a record as taken, so that ``next`` never returns it again."""
        with self._mutex:
            if entry.after is None:
                self._waiting.popleft()
                self._in_flight = False
            else:
                self._passed = entry.after.number
                self._move_cursor(entry.after)
            copies = (self.folder / "files").resolve()
            if entry.file is not None and entry.file.parent.parent == copies:
                shutil.rmtree(entry.file.parent, ignore_errors=True)

    def sync(self) -> None:
        """Flush appended records to the disk."""
        with self._mutex, suppress(OSError):
            if self._is_dirty and self._handle >= 0:
                os.fsync(self._handle)
                self._is_dirty = False

    def close(self) -> None:
        """Release the spool: delete it if it is empty, else leave it to be adopted."""
        self.sync()
        with self._mutex:
            self._drain()
            if self.left == 0 and not self._is_new:
                # renamed first: a half-deleted spool would look like a damaged one
                with suppress(OSError):
                    delete_spool(
                        self.folder.rename(self.folder.with_name(f".{self.folder.name}.done"))
                    )
            for handle in (self._handle, self._mark, self._lock):
                if handle >= 0:
                    os.close(handle)
            self._handle = self._mark = self._lock = -1

    def _pass(self, number: int) -> None:
        """Count the records up to ``number`` that were skipped as lost."""
        gone = max(0, number - self._passed)
        self._lost += gone
        self._passed += gone
        self._damaged -= min(gone, self._damaged)

    def _drain(self) -> None:
        """Write the records that wait in memory; truncate one that was written in part."""
        if self._in_flight:
            return
        try:
            while self._waiting:
                self._open_segment()
                line = sealed(numbered(self._waiting[0], self._written + 1))
                done = 0
                while done < len(line):
                    done += os.write(self._handle, line[done:])
                self._end += len(line)
                self._is_dirty = True
                self._waiting.popleft()
                self._written += 1
                with suppress(OSError):
                    # after the line: a process killed in between has written one more than this
                    os.pwrite(self._lock, sealed(b"%012d" % self._written), 0)
            self.trouble = ""
        except OSError as error:
            self.trouble = error.strerror or str(error)
            self._mend()

    def _mend(self) -> None:
        """Truncate a partly written record, or else end its segment there."""
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
        """Make the folder with its lock held, so that no process takes its owner for dead."""
        hidden = self.folder.with_name(f".{self.folder.name}")
        hidden.mkdir(parents=True, exist_ok=True)
        lock = os.open(hidden / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(self.folder)
        self._lock, self._is_new = lock, False

    def _copied(self, file: Path, name: str) -> dict[str, str]:
        """Copy a file into the spool; return the copy's path and CRC32, or the file's own path
        where it cannot be copied."""
        try:
            if self._is_new:
                self._make_folder()
            (self.folder / name).parent.mkdir(parents=True)
            shutil.copyfile(file, self.folder / name)
            return {"file": name, "crc": crc_of(self.folder / name)}
        except OSError as error:
            self.trouble = error.strerror or str(error)
            shutil.rmtree((self.folder / name).parent, ignore_errors=True)
            return {"file": str(file.absolute())}

    def _file_of(self, record: dict[str, Any]) -> tuple[Path | None, str | None]:
        """Return the file that a record refers to and why it must not be sent.

        Returns:
            The reason is empty if it may be sent, and None if its copy is damaged.
        """
        name, crc = record.pop("file", None), record.pop("crc", None)
        if name is None:
            return None, ""
        home, cure = self.folder.parent.parent, "it is not sent"
        try:
            file = contained(home, self.folder / name, "the file", cure)
            return file, "" if crc is None or crc_of(file) == crc else None
        except DataError as error:
            return None, str(error)
        except OSError:
            return None, None

    def _from(self, cursor: Place) -> Iterator[tuple[dict[str, Any], Place]]:
        """Yield every undamaged record from a position on, with the position after it."""
        number = cursor.number
        for line, segment, offset in self._lines(cursor):
            number += 1
            if is_whole(line):
                record = json.loads(line[9:])
                # older versions did not number them
                number = record.pop(NUMBER, number)
                yield record, Place(segment, offset, number)

    def _lines(self, cursor: Place) -> Iterator[tuple[bytes, int, int]]:
        """Yield every line from a position on, with its segment and the first byte after it."""
        for segment in self._segments():
            if segment < cursor.segment:
                continue
            offset = cursor.offset if segment == cursor.segment else 0
            with self._path(segment).open("rb") as file:
                file.seek(offset)
                for line in file:
                    offset += len(line)
                    # half a line: its process was killed, or could not truncate it
                    if line.endswith(b"\n"):
                        yield line, segment, offset

    def _move_cursor(self, to: Place) -> None:
        # if the cursor cannot be written, records are only sent twice after a crash; it is
        # overwritten in place, as replacing a file makes some file systems flush it
        with suppress(OSError):
            if self._mark < 0:
                self._mark = os.open(self.folder / "cursor", os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._mark, sealed(b"%06d %012d %012d" % astuple(to)), 0)
            if to.segment > self._cursor.segment:
                # the cursor must never point into a deleted segment
                os.fsync(self._mark)
                for segment in self._segments():
                    if segment < to.segment:
                        self._path(segment).unlink()
        self._cursor = to

    def _read_cursor(self) -> Place:
        mark = self.folder / "cursor"
        if not mark.exists():
            return Place()
        with suppress(OSError):
            line = mark.read_bytes()
            if is_whole(line):
                return Place(*map(int, line[9:].split()))
        # start again at the first record on disk: those before it were taken
        _, first = next(self._from(Place()), (None, Place()))
        return Place(number=max(0, first.number - 1))

    def _counted(self) -> int:
        """Return how many records were written, by the owner's count or else by the lines."""
        with suppress(OSError):
            line = (self.folder / "owner").read_bytes()
            if is_whole(line):
                return int(line[9:])
        return self._cursor.number + sum(1 for _ in self._lines(self._cursor))

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.jsonl"))

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:06d}.jsonl"


def _plain(value: Any) -> Any:
    """Convert a NumPy or torch scalar to Python's; anything else to its text."""
    return value.item() if hasattr(value, "item") else str(value)


def delete_spool(folder: Path) -> None:
    """Delete what is left of a spool that is done."""
    shutil.rmtree(folder, ignore_errors=True)
