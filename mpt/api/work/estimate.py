"""What a call would run and cost: a few steps of its units are timed, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mpt.api.work.session import Session
from mpt.errors import InputError
from mpt.lab.costs.cost import Cost, probe
from mpt.lab.costs.workload import Workload
from mpt.lab.recorded import Recorded
from mpt.lab.run import Lab
from mpt.store.address import sqlite_url
from mpt.store.ledger import Ledger, open_ledger


@dataclass(frozen=True)
class Estimate:
    """Units of work and their expected cost.

    Attributes:
        work: every unit, and which of them the ledger holds.
        cost: seconds, disk and memory of those that are left, by timed steps.
    """

    work: Workload
    cost: Cost

    @property
    def seconds(self) -> float:
        """Expected wall time on this device."""
        return self.cost.seconds

    @property
    def left(self) -> int:
        """Units to be computed."""
        return len(self.work.left)


def estimated(session: Session, work: Callable[[Lab], Workload]) -> Estimate:
    """List the units of a call and time a few steps of those that are left."""
    with _scratch(session) as lab:
        planned = work(lab)
        session.progress.say(f"timing a few steps of {len(planned.left)} units ...")
        return Estimate(planned, probe(planned, lab.worker, lab))


@contextmanager
def _scratch(session: Session) -> Iterator[Lab]:
    """A lab that reads the session's stores and writes into a folder that goes away."""
    with TemporaryDirectory(prefix="mpt-probe-") as folder:
        home = replace(session.home, root=Path(folder))
        worker = session.worker.elsewhere(home)
        try:
            ledger = open_ledger(session.home)
        except InputError:
            ledger = Ledger(sqlite_url(Path(folder) / "ledger.db"))
        with ledger:
            yield Recorded(worker, ledger)
