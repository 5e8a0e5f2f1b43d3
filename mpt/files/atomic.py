"""Atomic file writing, and a check that file names from elsewhere stay inside a folder."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from mpt.errors import DataError


def contained(folder: Path, name: str | Path, what: str, cure: str) -> Path:
    """Resolve a file name that mpt did not choose, with its links, to a path inside ``folder``.

    Names in a store, a record, a card or a server's reply are untrusted: the file they lead to may
    be read, shown or uploaded. The file need not exist.

    Args:
        folder: the folder that must contain the file.
        name: relative to ``folder``, or absolute.
        what: describes the name in the error message.
        cure: what to do, for the error message.

    Raises:
        DataError: the path leads outside the folder, also by a link, or is not a regular file.
    """
    fault = f"is not a file in {folder}"
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            fault = f"leads out of {folder}"
        elif path.is_file() or not path.exists():
            return path
    except (OSError, RuntimeError, ValueError):
        # a name that is too long, a cycle of links, a NUL
        pass
    raise DataError(
        f"{what} {str(name)!r} {fault}",
        fix=f"{cure}",
    )


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` atomically: a reader sees the old file or the new one, never half of it.

    Several writers of one path, on one machine or on a shared disk, do not disturb each other: each
    has a temporary file, and the last to finish wins. Raises ``OSError``, and then leaves no
    temporary file behind.
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


def delete_whole(path: Path) -> None:
    """Delete a file that ``write_whole`` wrote, and what writers killed half-way left beside it.

    Raises ``OSError``.
    """
    path.unlink(missing_ok=True)
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*"):
        temporary.unlink(missing_ok=True)


@contextmanager
def made_beside(file: Path) -> Iterator[Path]:
    """Yield a path at which to make a file in several steps, e.g. a library's database.

    When ``with`` ends, the file is moved into place as a whole; if another process was faster, its
    file stays. A process killed half-way therefore never leaves a file that cannot be opened.
    Raises ``OSError``.
    """
    # not a TemporaryDirectory, which is deleted when the process exits, even if a thread still
    # writes to it
    folder = Path(tempfile.mkdtemp(dir=file.parent, prefix=f".{file.stem}-"))
    try:
        new = folder / file.name
        yield new
        with suppress(FileExistsError):
            os.link(new, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
