"""Where packs are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from mpt.compute.progress import OnStep

Work = TypeVar("Work")
Result = TypeVar("Result")
Job = Callable[[Sequence[Work], OnStep], Result]
"""Computes a pack, telling of its steps; it can be pickled."""


class Fleet(Protocol):
    """Contract (``tests/contracts/test_fleet_contract.py``): each pack's result comes back once."""

    @property
    def slots(self) -> int:
        """Packs that can be computed at the same time, at least 1."""
        ...

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """Results in the order in which packs are finished.

        A pack is taken when there is a slot for it. All its steps are told by the time its result
        is handed over. An error of the job is raised as it is.
        """
        ...


class LocalFleet:
    """One pack after the other, in this process, on its device."""

    slots = 1

    def map(
        self, job: Job[Work, Result], packs: Iterable[Sequence[Work]], on_step: OnStep
    ) -> Iterator[Result]:
        """See ``Fleet.map``; a pack is started when its predecessor's result has been taken."""
        return (job(pack, on_step) for pack in packs)
