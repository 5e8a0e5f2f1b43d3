"""A database that may restart or be locked: transactions that wait, errors that say what to do."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from mpt.errors import StoreError
from mpt.lab.home import Home

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a transaction waits for a database that restarts or is locked."""

OPENING = 3.0
"""The same where a wrong address is likelier than a restart."""

_WANTED = "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_CURES = {
    "not a database": "the file is something else: point MPT_LEDGER_URL at another path",
    "unable to open": "its folder must exist and be writable: make it, or set MPT_LEDGER_URL",
    "readonly": "its file and folder must be writable: see their permissions, or set MPT_HOME",
    "disk is full": "make room, then run the same command",
    "locked": "another program keeps it locked: close that, or keep the ledger in PostgreSQL",
    "does not exist": "create the database and its user first, e.g. with createdb",
    "authentication": "see the user and the password in MPT_LEDGER_URL",
}
"""What to do, by a sign in the database's own message."""

_CURE = "see that the server runs and that MPT_LEDGER_URL names it, then run the same command"


class Database:
    """SQLite in a file, or PostgreSQL through a small pool; its ``str`` hides the password.

    Raises:
        StoreError: the URL is none, or names another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._shown = Home.shown(url)
        self._engine = _engine(url, self._shown)

    def __str__(self) -> str:
        return self._shown

    @property
    def is_sqlite(self) -> bool:
        """SQLite, else PostgreSQL."""
        return self._engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def do(self, work: Callable[[sa.Connection], T], patience: float = PATIENCE) -> T:
        """Run ``work`` in a transaction of its own, once more whenever the connection was lost.

        So ``work`` must bear being done twice: its first commit may have gone through unseen.

        Raises:
            StoreError: the database did not come back within ``patience`` seconds, or refuses.
        """
        deadline, wait = time.monotonic() + patience, 0.05
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                if time.monotonic() + wait > deadline or not _passing(error):
                    raise StoreError(self._explained(error)) from None
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, 5.0)

    def _explained(self, error: SQLAlchemyError) -> str:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        if secret := self._engine.url.password:
            cause = cause.replace(str(secret), "***")
        cure = next((cure for sign, cure in _CURES.items() if sign in cause), _CURE)
        return f"the ledger {self} cannot be used ({cause}); {cure}"


def _engine(url: str, shown: str) -> sa.Engine:
    """An engine that has opened no connection yet."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(f"{shown!r} is not a database URL; the ledger takes {_WANTED}") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        engine = sa.create_engine(parsed, connect_args={"timeout": PATIENCE})
        event.listen(engine, "connect", _readers_beside_a_writer)
        return engine
    if kind not in ("postgresql", "postgres"):
        raise StoreError(f"the ledger cannot be kept in {shown!r}; it takes {_WANTED}")
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=2,
            max_overflow=3,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": 10},
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the ledger {shown} needs {error.name}: pip install 'mpt[postgres]'"
        ) from None


def _readers_beside_a_writer(raw: sqlite3.Connection, _: object) -> None:
    raw.execute("PRAGMA journal_mode=WAL").close()


def _passing(error: SQLAlchemyError) -> bool:
    """Whether the database may answer the same request a moment later."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return "locked" in str(error.orig)
    return error.connection_invalidated or isinstance(error, OperationalError)
