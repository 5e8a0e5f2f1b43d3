"""How far a campaign is: settings x methods, units done, failed and left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mpt.config import RunConfig
from mpt.lab.workload import Row
from mpt.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Count:
    """Units of a row of work, or of all of it."""

    done: int
    failed: int
    left: int


@dataclass
class Matrix:
    """Listens to a lab (``Lab.on_units``) and counts.

    A prompt that was not learned leaves cells that will never run: they count as failed.
    """

    rows: Sequence[Row]
    _states: dict[str, str] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def see(self, units: Iterable[Unit]) -> None:
        """Units that the ledger held, or that were computed just now."""
        for unit in units:
            self._states[unit.digest] = unit.state
            self._seconds.setdefault(unit.kind, []).append(unit.seconds)

    def count(self, row: Row) -> Count:
        """Of one setting and method."""
        return self._count([row])

    @property
    def all(self) -> Count:
        """Of the whole campaign; a unit that stands in several rows counts once."""
        return self._count(self.rows)

    @property
    def seconds_left(self) -> float | None:
        """By the mean of the units seen so far; None where a kind has not been seen yet."""
        left: dict[str, int] = {}
        for state, kind in self._known(self.rows).values():
            if state == "left":
                left[kind] = left.get(kind, 0) + 1
        if any(kind not in self._seconds for kind in left):
            return None
        return sum(many * fmean(self._seconds[kind]) for kind, many in left.items())

    def _count(self, rows: Sequence[Row]) -> Count:
        states = [state for state, _ in self._known(rows).values()]
        return Count(states.count("done"), states.count("failed"), states.count("left"))

    def _known(self, rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
        """State and kind by digest."""
        found: dict[str, tuple[str, str]] = {}
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
                found[config.digest] = (
                    state if state in ("done", "left") else "failed",
                    config.kind,
                )
        return found
