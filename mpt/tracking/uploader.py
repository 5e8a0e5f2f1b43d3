"""A thread that sends records from disk to a server that may be slow, broken or down."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mpt.errors import MptError
from mpt.tracking.outbox import note_lost, orphans
from mpt.tracking.spool import Spool, SpoolEntry

Warn = Callable[[str], None]
Deliver = Callable[[SpoolEntry], None]

TICK = 1.0
"""Seconds between flushes of records to the disk while nothing else happens."""

LONGEST = 60.0
"""Seconds between two attempts to reach a server that does not answer, at most."""

GRACE = 5.0
"""Seconds that closing waits for a server that did not answer last time."""

BRIEF = 0.1
"""Seconds before a record is sent again to a server that accepts only others; doubles each time."""

CURE = (
    "`mpt sync` logs every study again from the ledger, and a promotion, campaign or single run is "
    "logged again by its own command, which computes nothing"
)
"""How to log lost records again."""


class Refused(MptError):
    """Signal that the server will never accept a record; the others are still sent."""


class Unreachable(ConnectionError):
    """Signal that the server cannot take records for now.

    Attributes:
        what: what it said, or that it did not answer.
        fix: what to do next; empty where nobody can tell.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what}; {fix}" if fix else what)
        self.what, self.fix = what, fix


class Resisted(Unreachable):
    """Signal that the server accepts other records, but not this one.

    Attributes:
        times: how often it was sent so far.
    """

    def __init__(self, what: str, times: int) -> None:
        super().__init__(what)
        self.times = times

    @property
    def pause(self) -> float:
        """Seconds until the record is sent again."""
        return BRIEF * 2.0 ** (self.times - 1) * random.uniform(0.5, 1.0)


class Shipper:
    """Send the records of spools in order, each one until it is accepted.

    Args:
        outbox: the folder of spools; those of dead processes are sent first.
        deliver: sends one record, which may have been sent before. Raises ``Refused`` for a record
            that can never be sent, ``Resisted`` for one that may be such a record, and anything
            else while the server accepts none.
        warn: called with a message once per outage, and once when it is over.
    """

    def __init__(self, outbox: Path, deliver: Deliver, warn: Warn) -> None:
        self.own = Spool.begin(outbox)
        self._outbox, self._deliver, self._warn = outbox, deliver, warn
        self._spools: list[Spool] = [self.own]
        self._changed = threading.Condition()
        self._failures = 0
        self._is_closing = self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    @property
    def unsent(self) -> int:
        """Number of records that are not sent yet, including those of dead processes."""
        return sum(spool.left for spool in self._spools)

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs; after closing, only while a server hangs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Notify the thread that there is something to send."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout: float) -> int:
        """Wait, ``timeout`` seconds at most, until all is sent; return how many records are not."""
        with self._changed:
            self._changed.wait_for(lambda: not self.unsent, timeout)
        return self.unsent

    def close(self, timeout: float) -> int:
        """Stop, after sending what can be sent in time; return how many records are left.

        Args:
            timeout: seconds for sending, at most; ``GRACE`` at most if the server is down.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            before = self._failures
            deadline = time.monotonic() + (min(GRACE, timeout) if before else timeout)
            while self.unsent and time.monotonic() < deadline:
                if self._failures > before:
                    break
                self._changed.wait(0.2)
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=2.0)
        left = self.unsent
        # a thread that still waits for a server keeps its spools until this process ends
        if not self.is_alive:
            for spool in self._spools:
                spool.close()
        return left

    def _run(self) -> None:
        self._spools[:0] = orphans(self._outbox, self._warn)
        while not self._is_stopped:
            spool = next((spool for spool in self._spools if spool.left or spool.damaged), None)
            if spool is None:
                self.own.sync()
                self._pause(TICK, until=lambda: self.unsent > 0)
                continue
            if self._attempt(spool):
                continue
            spool.sync()
            # jitter: many sweeps must not return to a server all at once
            wait = min(2.0 ** min(self._failures - 1, 10), LONGEST) * random.uniform(0.5, 1.0)
            self._pause(wait, until=lambda: self._is_closing)

    def _attempt(self, spool: Spool) -> bool:
        """Send a spool's next record; return False if the server did not accept it."""
        try:
            entry = spool.next()
            report_lost(self._outbox, spool, self._warn)
            if entry is None:
                return True
            self._deliver_or_refuse(entry)
        except Resisted as resistance:
            self._pause(resistance.pause, until=lambda: False)
            return True
        except Exception as error:
            # whatever the client library raises, training continues and the record is kept
            self._failures += 1
            if self._failures == 1:
                self._warn(
                    f"training continues, and its tracking records are kept in {self._outbox}: "
                    f"{error}"
                )
            self.wake()
            return False
        spool.take(entry)
        if self._failures:
            self._failures = 0
            self._warn("the tracking server accepts records again")
        self.wake()
        return True

    def _deliver_or_refuse(self, entry: SpoolEntry) -> None:
        try:
            self._deliver(entry)
        except Refused as refusal:
            self._warn(refuse(self._outbox, entry, refusal))

    def _pause(self, seconds: float, until: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or until(), seconds)


def deliver_all(spools: Sequence[Spool], deliver: Deliver, *, outbox: Path, warn: Warn) -> int:
    """Send the records of spools until one is not accepted; return how many were sent."""
    sent = 0
    for spool in spools:
        try:
            while (entry := spool.next()) is not None:
                report_lost(outbox, spool, warn)
                sent += _deliver_one(entry, deliver, outbox, warn)
                spool.take(entry)
            report_lost(outbox, spool, warn)
        except Exception as error:
            # whatever the client library raises: report it and keep what is left
            warn(str(error))
            return sent
    return sent


def _deliver_one(entry: SpoolEntry, deliver: Deliver, outbox: Path, warn: Warn) -> bool:
    """Send a record; return False if it is refused for good."""
    while True:
        try:
            deliver(entry)
            return True
        except Refused as refusal:
            warn(refuse(outbox, entry, refusal))
            return False
        except Resisted as resistance:
            time.sleep(resistance.pause)


def report_lost(outbox: Path, spool: Spool, warn: Warn) -> None:
    """Report and record how many lost records a spool has skipped since the last call."""
    if count := spool.confess():
        note_lost(outbox, spool, count)
        are = "record was" if count == 1 else "records were"
        warn(f"{count} tracking {are} damaged or deleted in {spool.folder} and left out; {CURE}")


def refuse(outbox: Path, entry: SpoolEntry, refusal: Refused) -> str:
    """Set a refused record aside in ``refused.jsonl``; return the message for the user."""
    line = json.dumps({"why": str(refusal), "record": dict(entry.record)}, default=str)
    try:
        with (outbox / "refused.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        return f"{refusal} (which could not be written: {error.strerror})"
    return str(refusal)
