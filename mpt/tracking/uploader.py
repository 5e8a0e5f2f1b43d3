"""A thread that takes records from disk to a server that may be slow, broken or gone."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mpt.errors import MptError
from mpt.tracking.outbox import Entry, Spool, note_lost, orphans

Warn = Callable[[str], None]
Deliver = Callable[[Entry], None]

TICK = 1.0
"""Seconds between forcing records onto the disk while nothing else happens."""

LONGEST = 60.0
"""Seconds between two attempts at a server that does not answer, at most."""

GRACE = 5.0
"""Seconds that closing waits for a server that did not answer the last time."""

BRIEF = 0.1
"""Seconds before a record that only the server's other records pass is sent again, at first; then
twice as many, and so on."""

CURE = (
    "`mpt sync` logs every study again from the ledger; a promotion, campaign or single run is "
    "logged again by its own command, which computes nothing"
)
"""What brings back records that were lost."""


class Refused(MptError):
    """The server will never take this record; the others go on."""


class Resisted(ConnectionError):
    """The server takes other records, and not this one.

    Attributes:
        times: how often it was sent so far.
    """

    def __init__(self, message: str, times: int) -> None:
        super().__init__(message)
        self.times = times

    @property
    def pause(self) -> float:
        """Seconds until it is sent again."""
        return BRIEF * 2.0 ** (self.times - 1) * random.uniform(0.5, 1.0)


class Shipper:
    """Delivers spools in order, each record until it is taken.

    Args:
        outbox: the folder of spools; what dead processes left there is delivered first.
        deliver: sends one record, bearing that it may have been sent before. Raises ``Refused``
            for a record that can never be sent, ``Resisted`` for one that may be such a record,
            anything else while the server does not take any.
        warn: told once per outage, and once when it is over.
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
        """Records not delivered yet, those of dead processes among them."""
        return sum(spool.left for spool in self._spools)

    @property
    def is_alive(self) -> bool:
        """Whether the thread still uses ``deliver``; after closing, only while a server hangs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Say that there is something to deliver."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout: float) -> int:
        """Wait until all is delivered or ``timeout`` seconds are over; how many records are not."""
        with self._changed:
            self._changed.wait_for(lambda: not self.unsent, timeout)
        return self.unsent

    def close(self, timeout: float) -> int:
        """Deliver for ``timeout`` seconds at most, few if the server is gone; what is left."""
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
        # a thread that still waits for a server keeps its spools; they are free when we are gone
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
            # jitter: a fleet of sweeps must not return to a server all at once
            wait = min(2.0 ** min(self._failures - 1, 10), LONGEST) * random.uniform(0.5, 1.0)
            self._pause(wait, until=lambda: self._is_closing)

    def _attempt(self, spool: Spool) -> bool:
        """Deliver a spool's next record; False when the server did not take it."""
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
            # whatever the client library raises, training goes on and the record is kept
            self._failures += 1
            if self._failures == 1:
                self._warn(f"{error}; training goes on, records wait in {self._outbox}")
            self.wake()
            return False
        spool.take(entry)
        if self._failures:
            self._failures = 0
            self._warn("the tracking server takes records again")
        self.wake()
        return True

    def _deliver_or_refuse(self, entry: Entry) -> None:
        try:
            self._deliver(entry)
        except Refused as refusal:
            self._warn(refuse(self._outbox, entry, refusal))

    def _pause(self, seconds: float, until: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or until(), seconds)


def deliver_all(spools: Sequence[Spool], deliver: Deliver, *, outbox: Path, warn: Warn) -> int:
    """Deliver spools here and now until a record is not taken; how many were."""
    sent = 0
    for spool in spools:
        try:
            while (entry := spool.next()) is not None:
                report_lost(outbox, spool, warn)
                sent += _deliver_one(entry, deliver, outbox, warn)
                spool.take(entry)
            report_lost(outbox, spool, warn)
        except Exception as error:
            # as above: say why and keep what is left
            warn(str(error))
            return sent
    return sent


def _deliver_one(entry: Entry, deliver: Deliver, outbox: Path, warn: Warn) -> bool:
    """Deliver a record, unless it is refused; whether it was delivered."""
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
    """Say, and remember, how many records a spool has passed over since the last time."""
    if count := spool.confess():
        note_lost(outbox, spool, count)
        are = "record was" if count == 1 else "records were"
        warn(f"{count} tracking {are} damaged or deleted in {spool.folder} and left out; {CURE}")


def refuse(outbox: Path, entry: Entry, refusal: Refused) -> str:
    """Keep a record that no server will take where a person finds it; what to tell the user."""
    line = json.dumps({"why": str(refusal), "record": dict(entry.record)}, default=str)
    try:
        with (outbox / "refused.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        return f"{refusal} (which could not be written: {error.strerror})"
    return str(refusal)
