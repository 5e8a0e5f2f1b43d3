"""Files written whole or not at all, and names of others that may not lead out of a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from mpt.errors import DataError


def contained(folder: Path, name: str | Path, what: str, cure: str) -> Path:
    """Where the file that somebody else named lies, links followed: inside ``folder`` or nowhere.

    A name out of a store, a record, a server or a card is not the user's own choice, and what it
    leads to may be read, shown or sent away. The file need not be there.

    Args:
        folder: the only place where it may lie.
        name: relative to ``folder``, or absolute.
        what: whose name it is, for the error; cure: what to do, likewise.

    Raises:
        DataError: it lies elsewhere, also by a link, or is no regular file.
    """
    fault = f"is no file in {folder}"
    try:
        found = (folder / name).resolve()
        if not found.is_relative_to(folder.resolve()):
            fault = f"leads out of {folder}"
        elif found.is_file() or not found.exists():
            return found
    except (OSError, RuntimeError, ValueError):
        # a name too long, links that go in a circle, a NUL
        pass
    raise DataError(f"{what} {str(name)!r} {fault}; {cure}")


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never half of it.

    Several writers of one path, on one machine or on a shared disk, never meet: each has a
    temporary file of its own, and the last to finish wins. Raises ``OSError``; nothing is left
    behind then.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def made_beside(file: Path) -> Iterator[Path]:
    """Where to make a file that is made in many steps, as a library's database: once ``with`` ends
    it is put in its place, whole, unless another process was quicker: then its file stays.

    A file in which a process is killed half-way may be one that nothing opens again. Raises
    ``OSError``.
    """
    # not a TemporaryDirectory: at the end of a process that would go under a thread still at work
    folder = Path(tempfile.mkdtemp(dir=file.parent, prefix=f".{file.stem}-"))
    try:
        new = folder / file.name
        yield new
        with suppress(FileExistsError):
            os.link(new, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
