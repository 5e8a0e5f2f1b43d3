"""Progress of a campaign by setting and method: units done, failed and left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mpt.config import RunConfig
from mpt.lab.costs.workload import WorkloadRow
from mpt.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Count:
    """Count the units of a row of work, or of all rows."""

    done: int
    failed: int
    left: int


@dataclass
class Matrix:
    """Count the units that a lab reports through ``Lab.on_units``.

    Cells of a prompt that was not learned will never run, and count as failed.
    """

    rows: Sequence[WorkloadRow]
    _states: dict[str, str] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def see(self, units: Iterable[Unit]) -> None:
        """Record units that the ledger had, or that were just computed."""
        for unit in units:
            self._states[unit.digest] = unit.state
            self._seconds.setdefault(unit.kind, []).append(unit.seconds)

    def count(self, row: WorkloadRow) -> Count:
        """Count the units of one setting and method."""
        return self._count([row])

    @property
    def all(self) -> Count:
        """Count the units of the whole campaign; a unit in several rows counts once."""
        return self._count(self.rows)

    @property
    def seconds_left(self) -> float | None:
        """Estimate the seconds left by the mean of each kind; None if a kind has no unit yet."""
        left: dict[str, int] = {}
        for state, kind in self._known(self.rows).values():
            if state == "left":
                left[kind] = left.get(kind, 0) + 1
        if any(kind not in self._seconds for kind in left):
            return None
        return sum(number * fmean(self._seconds[kind]) for kind, number in left.items())

    def _count(self, rows: Sequence[WorkloadRow]) -> Count:
        states = [state for state, _ in self._known(rows).values()]
        return Count(states.count("done"), states.count("failed"), states.count("left"))

    def _known(self, rows: Sequence[WorkloadRow]) -> dict[str, tuple[str, str]]:
        """Return state and kind by digest."""
        states: dict[str, tuple[str, str]] = {}
        for row in rows:
            unlearned = {
                c.digest
                for c in row.configs
                if isinstance(c, RunConfig) and self._states.get(c.digest) in ("diverged", "failed")
            }
            for config in row.configs:
                state = self._states.get(config.digest, "left")
                if state == "left" and getattr(config, "start", "") in unlearned:
                    state = "failed"
                states[config.digest] = (
                    state if state in ("done", "left") else "failed",
                    config.kind,
                )
        return states
