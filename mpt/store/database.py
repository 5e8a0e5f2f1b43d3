"""Databases that may restart or be locked: retried transactions, errors that say what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from tenacity import (
    Retrying,
    retry,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random,
    wait_random_exponential,
)

from mpt.errors import StoreError
from mpt.files.sqlite import open_read_only
from mpt.store.home import Home
from mpt.store.schema import VERSION

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a transaction is retried while the database restarts or is locked."""

OPENING = 3.0
"""The same where a wrong address is more likely than a restart."""

PASSING_STATES = frozenset(
    ("25006", "53300", "57014", "57P01", "57P02", "57P03", "40001", "40P01", "55P03")
)
"""PostgreSQL's codes for transient errors: read-only while a standby takes over, no connection or
lock free, a statement timeout, a shutdown or start, a conflict between transactions."""

RIVALS = 8
"""Attempts to create tables that other drivers may be creating at the same moment."""

_WANTED = "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
DAMAGED = "its file is damaged: restore a copy, or move it away and run the same command"
"""What to do about a file that SQLite reports as malformed."""

READ_ONLY = "its file and folder must be writable: see their permissions, or set MPT_HOME"
"""What to do where SQLite may read a file but not write it."""

_CURES = {
    "malformed": DAMAGED,
    "not a database": "the file is something else: point {variable} at another path",
    "unable to open": "its folder must exist and be writable: make it, or set {variable}",
    "readonly": READ_ONLY,
    "disk is full": "make room, then run the same command",
    "locked": "another program keeps it locked: close that, or keep the ledger in PostgreSQL",
    "does not exist": "create the database and its user first, e.g. with createdb",
    "authentication": "see the user and the password in {variable}",
}
"""What to do, by a phrase in the database's own message."""

_CURE = "see that the server runs and that {variable} names it, then run the same command"


class Database:
    """Connect to SQLite in a file, or to PostgreSQL through a small pool; ``str`` hides passwords.

    Args:
        url: of either.
        store, variable: what the database holds and the variable that names it, for errors.
        timeout: seconds for a new connection.
        is_reader: open read-only.
        is_ledger: whether an SQLite file may be switched to a write-ahead log, so that readers do
            not wait for a writer.

    Raises:
        StoreError: ``url`` is not a database URL, or names another kind of database.
    """

    def __init__(
        self,
        url: str,
        store: str = "ledger",
        variable: str = "MPT_LEDGER_URL",
        *,
        timeout: float = 10.0,
        is_reader: bool = False,
        is_ledger: bool = True,
    ) -> None:
        self._shown, self._store, self._variable = Home.shown(url), store, variable
        self._engine = _engine(url, self._shown, store, timeout, is_reader)
        if is_ledger and self.is_sqlite and not is_reader:
            event.listen(self._engine, "connect", _readers_beside_a_writer)

    def __str__(self) -> str:
        return self._shown

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite rather than PostgreSQL."""
        return self._engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def do(self, work: Callable[[sa.Connection], T], patience: float = PATIENCE) -> T:
        """Run ``work`` in a transaction of its own, and again whenever the connection was lost.

        ``work`` must therefore be idempotent: its first commit may have succeeded unnoticed.

        Raises:
            StoreError: the database did not come back within ``patience`` seconds, or refused.
        """

        def transact() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return _again(patience)(transact)
        except SQLAlchemyError as error:
            raise self._explained(error) from None

    def _explained(self, error: SQLAlchemyError) -> StoreError:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        if secret := self._engine.url.password:
            cause = cause.replace(str(secret), "***")
        cure = next((cure for sign, cure in _CURES.items() if sign in cause), _CURE)
        cure = cure.format(variable=self._variable)
        return StoreError(f"the {self._store} {self} cannot be used ({cause})", fix=cure)


@dataclass(frozen=True)
class Survey:
    """Describe a database.

    Attributes:
        tables: their names.
        clock: seconds since 1970 by its clock.
        revision: schema revision of another library's tables; empty where none is recorded.
    """

    tables: frozenset[str]
    clock: float
    revision: str = ""


def survey(url: str, store: str, variable: str, timeout: float) -> Survey:
    """Inspect an existing database without writing to it. Raises ``StoreError``."""
    database = Database(url, store, variable, timeout=timeout, is_reader=True)

    def inspect(db: sa.Connection) -> Survey:
        # the clock first: callers compare it with the time at which they asked
        clock = db.execute(sa.select(now(db))).scalar_one()
        tables = frozenset(sa.inspect(db).get_table_names())
        noted = sa.select(sa.column("version_num")).select_from(sa.table(VERSION))
        revision = db.execute(noted).scalars().first() if VERSION in tables else None
        return Survey(tables, float(clock), str(revision or ""))

    try:
        return database.do(inspect, patience=0.0)
    finally:
        database.close()


def now(db: sa.Connection) -> sa.ColumnElement[float]:
    """Return the SQL expression for seconds since 1970 by the database's clock."""
    if db.dialect.name == "sqlite":
        return (sa.func.julianday("now") - 2440587.5) * 86400.0
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def _engine(url: str, shown: str, store: str, timeout: float, is_reader: bool) -> sa.Engine:
    """Build an engine without opening a connection. Raises ``StoreError``."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(
            f"{shown!r} is not a database URL",
            fix=f"the {store} takes {_WANTED}",
        ) from None
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        if is_reader:
            file = Path(str(parsed.database))
            return sa.create_engine("sqlite://", creator=lambda: open_read_only(file, timeout))
        return sa.create_engine(parsed, connect_args={"timeout": PATIENCE})
    if kind not in ("postgresql", "postgres"):
        raise StoreError(
            f"the {store} cannot be kept in {shown!r}",
            fix=f"it takes {_WANTED}",
        )
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=2,
            max_overflow=3,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": round(timeout)},
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the {store} {shown} needs {error.name}",
            fix="pip install -e '.[postgres]'",
        ) from None


def _readers_beside_a_writer(raw: sqlite3.Connection, _: object) -> None:
    raw.execute("PRAGMA journal_mode=WAL").close()


def patient(call: Callable[P, T], shown: str) -> Callable[P, T]:
    """Wrap a call to the studies store: retry it while its database restarts or is locked.

    Args:
        call: any function that uses the database.
        shown: the database, for errors.

    Raises:
        StoreError: from the wrapped call, when the database is broken or did not come back within
            ``PATIENCE`` seconds.
    """

    @wraps(call)
    def patiently(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return _again(PATIENCE)(call, *args, **kwargs)
        except Exception as error:
            if not _passing(error):
                fault = _broken(error)
                if "readonly" in fault:
                    raise StoreError(
                        f"the studies store {shown} cannot be used ({fault})",
                        fix=f"{READ_ONLY}",
                    ) from None
                if fault:
                    raise StoreError(
                        f"the studies store {shown} cannot be used ({fault})",
                        fix=(
                            f"{DAMAGED}:"
                            " its trials are drawn again, and the ledger keeps what they computed"
                        ),
                    ) from None
                raise
            raise StoreError(
                f"the studies store {shown} did not answer for {PATIENCE:.0f} s",
                fix=(
                    "see that its server runs, then run the same command: what is recorded is kept"
                ),
            ) from None

    return patiently


def _broken(error: BaseException | None) -> str:
    """Return SQLite's message if a file is damaged or may not be written; empty otherwise."""
    while error is not None:
        if isinstance(error, sqlite3.DatabaseError) and re.search("malformed|readonly", str(error)):
            return str(error)
        error = getattr(error, "orig", None) or error.__cause__
    return ""


def at_once(make: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function that creates missing tables: retry it when another process came first."""
    return retry(
        retry=retry_if_exception(_is_there_already),
        wait=wait_random(0.1, 1.0),
        stop=stop_after_attempt(RIVALS),
        reraise=True,
    )(make)


def _is_there_already(error: BaseException | None) -> bool:
    """Return whether another process just created a table, or the type PostgreSQL adds to it."""
    if error is None or isinstance(error, IntegrityError):
        return error is not None
    if isinstance(error, ProgrammingError):
        return "already exists" in str(error.orig)
    return _is_there_already(error.__cause__)


def _again(patience: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception(_passing),
        wait=wait_random_exponential(multiplier=0.1, max=5.0),
        stop=stop_before_delay(patience),
        reraise=True,
    )


def _passing(error: BaseException | None) -> bool:
    """Return whether the same request may succeed a moment later."""
    if not isinstance(error, DBAPIError):
        # Optuna wraps some of what its database raises
        return error is not None and _passing(error.__cause__)
    if isinstance(error.orig, sqlite3.Error):
        return "locked" in str(error.orig)
    if getattr(error.orig, "sqlstate", None) in PASSING_STATES:
        return True
    return error.connection_invalidated or isinstance(error, OperationalError)
