"""Room of a task: what an initial prompt could gain at most over plain few-shot prompt tuning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean

SOLVED = 0.85
"""An oracle at or above it shows that the backbone can do the task; few-shot prompt tuning at or
above it leaves little to learn."""

ENOUGH = 0.15
"""Room at or above it is more than the noise of a few data seeds."""

ABOVE_CHANCE = 0.05
"""Few-shot prompt tuning by so much above chance has learned something that can be improved on."""

RISE = 0.02
"""A gain on dev in the last quarter of an oracle's updates above which it had not yet flattened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRoom:
    """The room of one task and what it is computed from; scores are those of the test set.

    Attributes:
        role: ``validation``, ``target`` or ``source`` in the gym's settings, or empty.
        rows: training rows of the oracle; dev_rows: rows that selected it.
        oracle: of the prompt tuned on them, at the better rate by dev; NaN if it diverged.
        oracle_lr: that rate; oracle_digest: of its unit, empty if it diverged.
        rising: whether its dev curve was still rising at its last updates.
        few_shot: of plain prompt tuning, a score per data seed, at each seed's best rate by dev.
        chance: of a guess among the classes or options; 0 where there are none.
        majority: of always giving the most frequent training answer.
        fine_tuned: of full fine-tuning, as ``few_shot``; empty if it was not run.
    """

    task: str
    role: str
    metric: str
    rows: int
    dev_rows: int
    oracle: float
    oracle_lr: float | None
    oracle_digest: str
    rising: bool
    few_shot: tuple[float, ...]
    chance: float
    majority: float
    fine_tuned: tuple[float, ...] = ()

    @property
    def few_shot_mean(self) -> float:
        """Return the mean over data seeds; NaN without any score."""
        return fmean(self.few_shot) if self.few_shot else nan

    @property
    def room(self) -> float:
        """Return the oracle's score minus the mean of few-shot prompt tuning; NaN if unknown."""
        return self.oracle - self.few_shot_mean

    @property
    def is_solvable(self) -> bool:
        """Tell whether the backbone does the task once it has plenty of rows."""
        return self.oracle >= SOLVED

    @property
    def has_room(self) -> bool:
        """Tell whether an initial prompt could gain more than noise."""
        return self.room >= ENOUGH

    @property
    def is_in_between(self) -> bool:
        """Tell whether few-shot prompt tuning is neither at chance nor at its ceiling."""
        return self.chance + ABOVE_CHANCE <= self.few_shot_mean <= SOLVED


@dataclass(frozen=True, slots=True)
class RoomCount:
    """How many of some tasks have room.

    Attributes:
        of: whose tasks: a role, or ``all``.
    """

    of: str
    tasks: int
    solvable: int
    with_room: int
    in_between: int


def room_counts(rooms: Sequence[TaskRoom]) -> list[RoomCount]:
    """Count the tasks with room: all of them, then those of each role if there are several."""
    roles = [role for role in ("validation", "target", "source") if _of(rooms, role)]
    parts = {"all": list(rooms)}
    if len(roles) > 1:
        parts |= {role: _of(rooms, role) for role in roles}
    return [
        RoomCount(
            of,
            len(part),
            sum(one.is_solvable for one in part),
            sum(one.has_room for one in part),
            sum(one.is_in_between for one in part),
        )
        for of, part in parts.items()
    ]


def still_rising(dev_evals: Iterable[tuple[int, float]]) -> bool:
    """Tell whether the best dev score of the last quarter of updates is ``RISE`` above the rest's.

    Args:
        dev_evals: (updates taken, dev score) of every evaluation, in order.
    """
    evals = list(dev_evals)
    if len(evals) < 2:
        return False
    last = 0.75 * evals[-1][0]
    early = [dev for step, dev in evals if step <= last]
    late = [dev for step, dev in evals if step > last]
    return bool(early) and max(late) > max(early) + RISE


def _of(rooms: Iterable[TaskRoom], role: str) -> list[TaskRoom]:
    return [one for one in rooms if one.role == role]
