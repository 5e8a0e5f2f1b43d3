"""One holder at a time: a lease renewed while its holder lives, lost when it does not."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mpt.errors import StoreError


@dataclass(frozen=True)
class Holder:
    """A process, named so that another process on the same machine can tell whether it lives.

    Attributes:
        machine: host name, boot and process namespace; processes that see each other share it.
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
        if self.machine != _machine(socket.gethostname()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        # a killed process whose parent has not waited for it yet still answers
        return _stat(self.pid)[:1] == ["Z"] or (bool(self.begun) and _begun(self.pid) != self.begun)


class Lease:
    """Held from ``__enter__`` to ``__exit__``, renewed by a thread in between.

    Args:
        name: what is held, for the error.
        seconds: how long it stays held after the last renewal.
        renew: prolongs it by ``seconds``; False when somebody else has taken it.
        release: gives it back.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        *,
        renew: Callable[[], bool],
        release: Callable[[], None],
    ) -> None:
        self.name, self.seconds = name, seconds
        self._renew, self._release = renew, release
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
        """Raise ``StoreError`` when the lease was lost, e.g. after this machine was suspended."""
        if self._lost.is_set():
            raise StoreError(
                f"{self.name} was taken over by another driver while this one did not answer; "
                "what is recorded is kept, and the other driver goes on"
            )

    def _keep(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            try:
                if not self.renew():
                    return
            except StoreError:
                # a database that does not answer now may do so before the lease ends
                continue


def _machine(host: str) -> str:
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{host} {boot} {space}".strip()


def _begun(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _stat(pid: int) -> list[str]:
    """Fields 3 to the last of proc(5) stat; the name in field 2 may hold spaces and brackets."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
