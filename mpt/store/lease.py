"""Leases: one holder at a time, renewed while the holder lives, free again when it dies."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import event, orm

from mpt.errors import StoreError
from mpt.store.database import OPENING, Database, now
from mpt.store.tables import LEASES, insert

CHECK_EVERY_S = 1.0
"""Seconds between two polls of a lease that is being waited for, at most."""


@dataclass(frozen=True)
class Holder:
    """Identify a process, so that others on the same machine can tell whether it still runs.

    Attributes:
        machine: host name, boot id and process namespace; processes that see each other share the
            last two, whatever their host is called.
        begun: the kernel's start time of the process, which distinguishes it from a later process
            of the same pid.
    """

    host: str
    pid: int
    machine: str = ""
    begun: str = ""

    @classmethod
    def me(cls) -> Holder:
        """Return the identity of this process."""
        host, pid = socket.gethostname(), os.getpid()
        return cls(host, pid, _machine(host), _begun(pid))

    @property
    def is_dead(self) -> bool:
        """Whether it has certainly ended; False for a process on another machine."""
        if not self._is_near:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        # a zombie, whose parent has not waited for it yet, still accepts signal 0
        return _state(self.pid) == "Z" or (bool(self.begun) and _begun(self.pid) != self.begun)

    @property
    def is_alive(self) -> bool:
        """Whether it certainly lives, on this machine."""
        return self._is_near and bool(self.begun) and not self.is_dead

    @property
    def is_running(self) -> bool:
        """Whether it is another process than this one, lives and is not suspended."""
        return self.is_alive and self.pid != os.getpid() and _state(self.pid) not in ("T", "t")

    @property
    def _is_near(self) -> bool:
        other, mine = self.machine.split(), _machine(socket.gethostname()).split()
        if len(other) > 2 and len(mine) > 2:
            return other[-2:] == mine[-2:]
        return other == mine


class Lease:
    """Hold a name from ``__enter__`` to ``__exit__``, renewed by a thread in between.

    Args:
        name: what is leased, for the error.
        seconds: until the lease expires after its last renewal.
        renew: extends the lease by ``seconds``; returns False when another process has taken it.
        release: gives the lease back.
        within: as ``renew``, inside a transaction on the database that stores the lease.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        *,
        renew: Callable[[], bool],
        release: Callable[[], None],
        within: Callable[[sa.Connection], bool] = lambda db: True,
    ) -> None:
        self.name, self.seconds = name, seconds
        self._renew, self._release, self._within = renew, release, within
        self._stop, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease {name}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)
        if not self._lost.is_set():
            # a lease that cannot be released expires by itself
            with suppress(StoreError):
                self._release()

    def renew(self) -> bool:
        """Renew the lease now; return False when another process took it. Raises ``StoreError``."""
        if not self._lost.is_set() and not self._renew():
            self._lost.set()
        return not self._lost.is_set()

    def check(self) -> None:
        """Renew the lease, or raise ``StoreError`` when it was lost.

        A lease is lost when this process or machine was suspended for longer than it lasts.
        """
        if not self.renew():
            raise StoreError(self._gone)

    def guard(self, sessions: orm.scoped_session[orm.Session]) -> None:
        """Refuse writes of SQLAlchemy ``sessions`` to the lease's database once it is lost.

        The lease is renewed in the transaction that writes, so that a process that was suspended
        in the middle of one cannot commit after another process has taken over: the write raises
        ``StoreError``.
        """

        def expect(session: orm.Session) -> None:
            if not self._within(session.connection()):
                self._lost.set()
                raise StoreError(self._gone)

        def on_execute(state: orm.ORMExecuteState) -> None:
            if state.is_insert or state.is_update or state.is_delete:
                expect(state.session)

        event.listen(sessions, "before_flush", lambda session, *_: expect(session))
        event.listen(sessions, "do_orm_execute", on_execute)

    @property
    def _gone(self) -> str:
        return (
            f"{self.name} was taken over by another driver while this one did not answer; what is "
            "recorded is kept, and the other driver continues"
        )

    def _keep(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            try:
                if not self.renew():
                    return
            except StoreError:
                # a database that does not answer now may do so before the lease expires
                continue


def take(
    database: Database,
    name: str,
    holder: Holder | None = None,
    seconds: float = 120.0,
    *,
    wait: Callable[[str], None] | None = None,
    beside: Lease | None = None,
) -> Lease:
    """Lease ``name`` to one process alone, by the database's clock; use the result in ``with``.

    An expired lease, or one whose holder is known to be dead on this machine, is taken over. A
    holder that is known to run keeps it, even if a clock was set.

    Args:
        database: has the table of leases.
        name: what is leased.
        holder: the process that takes it; this one by default.
        seconds: until the lease expires after its last renewal.
        wait: called once with a message while waiting for a holder that may be dead, until its
            lease expires or was not renewed for ``seconds``; None: raise instead of waiting.
        beside: another lease, renewed and lost together with this one.

    Raises:
        StoreError: another process holds the lease; the message says which, and since when.
    """
    mine, token = holder or Holder.me(), uuid4().hex
    first: tuple[str, float] | None = None
    stale: tuple[str, float] | None = None
    began = time.monotonic()
    while True:
        row = database.do(lambda db, stale=stale: _take(db, name, mine, token, seconds, stale))
        if row is None:
            break
        other, mark = _holder(row), (row.token, row.expires)
        if wait is None or other.is_alive or first not in (None, mark):
            since = datetime.fromtimestamp(row.since, UTC)
            raise StoreError(
                f"{name} is held by process {other.pid} on {other.host} since "
                f"{since:%Y-%m-%d %H:%M:%S} UTC",
                fix="let it finish or stop it, then run the same command",
            )
        if first is None:
            first = mark
            left = min(max(row.expires - row.now, 0.0), seconds)
            wait(
                f"{name} is held by process {other.pid} on {other.host}, which does not run here "
                f"and may be dead; waiting for its lease to expire, {ceil(left)} s at most"
            )
        if time.monotonic() - began >= seconds:
            # not renewed for as long as it lasts: the database's clock may have been set back
            stale = mark
        time.sleep(min(CHECK_EVERY_S, seconds / 20))
    own = (LEASES.c.name == name) & (LEASES.c.token == token)

    def renew(db: sa.Connection) -> bool:
        longer = sa.update(LEASES).where(own).values(expires=now(db) + seconds)
        return db.execute(longer).rowcount == 1

    def release(db: sa.Connection) -> None:
        db.execute(sa.delete(LEASES).where(own))

    return Lease(
        name,
        seconds,
        renew=lambda: (beside is None or beside.renew()) and database.do(renew),
        release=lambda: database.do(release, OPENING),
        within=renew,
    )


def _take(
    db: sa.Connection,
    name: str,
    mine: Holder,
    token: str,
    seconds: float,
    stale: tuple[str, float] | None,
) -> sa.Row[Any] | None:
    """Insert a lease, or take it over from a holder that is gone.

    Args:
        stale: token and expiry of a lease that was not renewed for as long as it lasts.

    Returns:
        None if the lease was taken, else the row of its holder.
    """
    clock = now(db)
    own = {"token": token, "holder": json.dumps(asdict(mine))}
    own |= {"since": clock, "expires": clock + seconds}
    is_named = LEASES.c.name == name
    query = sa.select(LEASES, clock.label("now")).where(is_named)
    if (row := db.execute(query).one_or_none()) is None:
        insert(db, LEASES, [{"name": name, **own}])
        row = db.execute(query).one()
    if row.token == token:
        return None
    other = _holder(row)
    is_over = row.expires < row.now and not other.is_running
    if is_over or other.is_dead or stale == (row.token, row.expires):
        unchanged = (LEASES.c.token == row.token) & (LEASES.c.expires == row.expires)
        if db.execute(sa.update(LEASES).where(is_named & unchanged).values(own)).rowcount == 1:
            return None
    return row


def _holder(row: sa.Row[Any]) -> Holder:
    return Holder(**json.loads(row.holder))


def _machine(host: str) -> str:
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{host} {boot} {space}".strip()


def _state(pid: int) -> str:
    """Return the state letter of proc(5), e.g. Z for a zombie; empty where it cannot be read."""
    return "".join(_stat(pid)[:1])


def _begun(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _stat(pid: int) -> list[str]:
    """Return fields 3 to the last of proc(5) stat: the name in field 2 may hold spaces."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
