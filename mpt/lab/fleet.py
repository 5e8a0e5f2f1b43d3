"""Where packs are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")
Job = Callable[[Sequence[Work]], Result]


class Fleet(Protocol):
    """Contract (``tests/contracts/test_fleet_contract.py``): each pack's result comes back once."""

    def map(self, job: Job[Work, Result], packs: Iterable[Sequence[Work]]) -> Iterator[Result]:
        """Results in the order in which packs are finished."""
        ...


class LocalFleet:
    """One pack after the other, in this process, on its device."""

    def map(self, job: Job[Work, Result], packs: Iterable[Sequence[Work]]) -> Iterator[Result]:
        """See ``Fleet.map``; a pack is started when its predecessor's result has been taken."""
        return map(job, packs)
