"""Fleets: where packs are computed, and the fleet of this process alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from mpt.compute.progress import OnStep

Work = TypeVar("Work")
Result = TypeVar("Result")
Job = Callable[[Sequence[Work], OnStep], Result]
"""Computes a pack and reports its steps; must be picklable."""


class Fleet(Protocol):
    """Compute packs; each pack's result comes back exactly once.

    The contract is tested in ``tests/contracts/test_fleet_contract.py``.
    """

    @property
    def slots(self) -> int:
        """Number of packs that can be computed at the same time, at least 1."""
        ...

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """Yield results in the order in which packs complete.

        A pack is taken from ``packs`` when there is a slot for it. All of its steps are reported
        before its result is yielded. Whatever the job raises is raised unchanged.

        Args:
            job: computes one pack.
            packs: read lazily.
            on_step: called with numbers of steps taken.
        """
        ...


class LocalFleet:
    """Compute one pack after another, in this process, on its device."""

    slots = 1

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """Yield results as ``Fleet.map``; a pack starts when its predecessor's result was taken."""
        return (job(pack, on_step) for pack in packs)
