"""SQLite files that are read and never written, also after a process that wrote was killed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_NEEDS_RECOVERY = frozenset(("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"))
"""A transaction was cut off by a crash, and only a connection that may write can undo it."""

_PROBE = "PRAGMA schema_version"


def open_read_only(file: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """Open an existing file for reading, by any thread.

    Args:
        file: which is changed only where a killed process left half a transaction: SQLite undoes
            it from the journal beside the file, as any connection that may write would.
        timeout: seconds for which a read waits for a lock.

    Raises:
        sqlite3.Error: the file cannot be opened, or half a transaction cannot be undone.
    """
    with closing(_connect(file, "ro", timeout)) as probe:
        is_cut_off = _needs_recovery(probe)
    if is_cut_off:
        with closing(_connect(file, "rw", timeout)) as writer:
            writer.execute(_PROBE).close()
    return _connect(file, "ro", timeout)


def _connect(file: Path, mode: str, timeout: float) -> sqlite3.Connection:
    name = f"{file.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=timeout, check_same_thread=False)


def _needs_recovery(database: sqlite3.Connection) -> bool:
    try:
        database.execute(_PROBE).close()
    except sqlite3.Error as error:
        # any other error comes again with the first query, where callers expect it
        return getattr(error, "sqlite_errorname", "") in _NEEDS_RECOVERY
    return False
