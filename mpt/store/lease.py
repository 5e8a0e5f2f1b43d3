"""One holder at a time: a lease renewed while its holder lives, lost when it does not."""

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
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import event

from mpt.errors import StoreError
from mpt.store.database import OPENING, Database, now
from mpt.store.tables import LEASES, insert

LOOK = 1.0
"""Seconds between two looks at a lease that is waited for, at most."""


@dataclass(frozen=True)
class Holder:
    """A process, named so that another process on the same machine can tell whether it lives.

    Attributes:
        machine: host name, boot and process namespace; processes that see each other share the
            last two, whatever their host is called.
        begun: the kernel's start time of the process; tells it from a later one of the same pid.
    """

    host: str
    pid: int
    machine: str = ""
    begun: str = ""

    @classmethod
    def me(cls) -> Holder:
        """This process."""
        host, pid = socket.gethostname(), os.getpid()
        return cls(host, pid, _machine(host), _begun(pid))

    @property
    def is_dead(self) -> bool:
        """Whether it certainly lives no more; False for a process on another machine."""
        if not self._is_near:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        # a killed process whose parent has not waited for it yet still answers
        return _state(self.pid) == "Z" or (bool(self.begun) and _begun(self.pid) != self.begun)

    @property
    def is_alive(self) -> bool:
        """Whether it certainly lives, on this machine."""
        return self._is_near and bool(self.begun) and not self.is_dead

    @property
    def is_running(self) -> bool:
        """Whether it certainly lives and is not held still, and is another process than this."""
        return self.is_alive and self.pid != os.getpid() and _state(self.pid) not in ("T", "t")

    @property
    def _is_near(self) -> bool:
        theirs, mine = self.machine.split(), _machine(socket.gethostname()).split()
        if len(theirs) > 2 and len(mine) > 2:
            return theirs[-2:] == mine[-2:]
        return theirs == mine


class Lease:
    """Held from ``__enter__`` to ``__exit__``, renewed by a thread in between.

    Args:
        name: what is held, for the error.
        seconds: how long it stays held after the last renewal.
        renew: prolongs it by ``seconds``; False when somebody else has taken it.
        release: gives it back.
        within: as ``renew``, in a transaction on the database in which the lease is kept.
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)
        if not self._lost.is_set():
            # what cannot be given back runs out by itself
            with suppress(StoreError):
                self._release()

    def renew(self) -> bool:
        """Prolong the lease now; False when somebody else has taken it. Raises ``StoreError``."""
        if not self._lost.is_set() and not self._renew():
            self._lost.set()
        return not self._lost.is_set()

    def check(self) -> None:
        """Renew the lease, or raise ``StoreError`` when it was lost.

        As happens after this process or machine was suspended.
        """
        if not self.renew():
            raise StoreError(self._gone)

    def guard(self, sessions: Any) -> None:
        """Let no ``sessions`` of SQLAlchemy write into the lease's database once it is lost.

        The lease is renewed in the transaction that writes, so that whoever was suspended in the
        middle of one cannot end it after another has taken over: ``StoreError``.
        """

        def expect(session: Any) -> None:
            if not self._within(session.connection()):
                self._lost.set()
                raise StoreError(self._gone)

        def on_execute(state: Any) -> None:
            if state.is_insert or state.is_update or state.is_delete:
                expect(state.session)

        event.listen(sessions, "before_flush", lambda session, *_: expect(session))
        event.listen(sessions, "do_orm_execute", on_execute)

    @property
    def _gone(self) -> str:
        return (
            f"{self.name} was taken over by another driver while this one did not answer; what is "
            "recorded is kept, and the other driver goes on"
        )

    def _keep(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            try:
                if not self.renew():
                    return
            except StoreError:
                # a database that does not answer now may do so before the lease ends
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
    """Take ``name`` for one process alone, by the database's clock; use it with ``with``.

    A lease that has run out, or whose holder is seen to be dead on this machine, is taken over;
    not from a holder that is seen to run, whatever a clock says that was set.

    Args:
        database: with the table of leases.
        name: what is held.
        holder: this process, if it is no other.
        seconds: how long it stays held after the last renewal.
        wait: told once for whom is waited: somebody who may be dead, until the lease has run out
            or was not renewed for ``seconds``. None: there is no waiting.
        beside: a lease on something else, lost and renewed together with this one.

    Raises:
        StoreError: somebody else holds it; the message says who, and since when.
    """
    mine, token = holder or Holder.me(), uuid4().hex
    first: tuple[str, float] | None = None
    still: tuple[str, float] | None = None
    began = time.monotonic()
    while True:
        held = database.do(lambda db, still=still: _take(db, name, mine, token, seconds, still))
        if held is None:
            break
        theirs, mark = _holder(held), (held.token, held.expires)
        if wait is None or theirs.is_alive or first not in (None, mark):
            since = datetime.fromtimestamp(held.since, UTC)
            raise StoreError(
                f"{name} is held by process {theirs.pid} on {theirs.host} since "
                f"{since:%Y-%m-%d %H:%M:%S} UTC; let it finish or stop it, then run the same "
                "command"
            )
        if first is None:
            first = mark
            left = min(max(held.expires - held.now, 0.0), seconds)
            wait(
                f"{name} is held by process {theirs.pid} on {theirs.host}, which does not run here "
                f"and may be dead; waiting for its lease to run out, {left:.0f} s at most"
            )
        if time.monotonic() - began >= seconds:
            # its clock may have been set back
            still = mark
        time.sleep(min(LOOK, seconds / 20))
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
    still: tuple[str, float] | None,
) -> Any:
    """Insert the lease, or take it over from a holder that is gone; else the row that is there.

    ``still``: the token and end of a lease that was not renewed for long enough.
    """
    clock = now(db)
    row = {"token": token, "holder": json.dumps(asdict(mine))}
    row |= {"since": clock, "expires": clock + seconds}
    at = LEASES.c.name == name
    there = sa.select(LEASES, clock.label("now")).where(at)
    if (held := db.execute(there).one_or_none()) is None:
        insert(db, LEASES, [{"name": name, **row}])
        held = db.execute(there).one()
    if held.token == token:
        return None
    theirs = _holder(held)
    is_over = held.expires < held.now and not theirs.is_running
    if is_over or theirs.is_dead or still == (held.token, held.expires):
        same = (LEASES.c.token == held.token) & (LEASES.c.expires == held.expires)
        if db.execute(sa.update(LEASES).where(at & same).values(row)).rowcount == 1:
            return None
    return held


def _holder(row: Any) -> Holder:
    return Holder(**json.loads(row.holder))


def _machine(host: str) -> str:
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{host} {boot} {space}".strip()


def _state(pid: int) -> str:
    """One letter of proc(5), e.g. Z for a zombie; empty where it cannot be read."""
    return "".join(_stat(pid)[:1])


def _begun(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _stat(pid: int) -> list[str]:
    """Fields 3 to the last of proc(5) stat; the name in field 2 may hold spaces and brackets."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
