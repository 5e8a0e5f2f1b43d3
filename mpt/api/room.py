"""What an initial prompt could gain at most on each task of a gym."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mpt.api.promote import summed_up
from mpt.api.values.study import studied
from mpt.api.work.compute import Compute
from mpt.api.work.estimate import Estimate, estimated
from mpt.api.work.session import Session
from mpt.lab.room import UPDATES, OracleBudget, RoomPlan, measure, plan_room, room_work
from mpt.report.tables.room_table import room_notes
from mpt.stats.room import TaskRoom
from mpt.study.study import Study

if TYPE_CHECKING:
    from typing import Unpack

    import pandas as pd


@dataclass(frozen=True)
class Room:
    """The room of tasks: the score of a prompt tuned on plenty of rows minus few-shot tuning's.

    Attributes:
        records: a task each, in the gym's order.
        left_out: why tasks of the gym were not measured, a sentence each.
    """

    records: tuple[TaskRoom, ...]
    left_out: tuple[str, ...] = ()

    @property
    def summary(self) -> tuple[str, ...]:
        """How many tasks have room, and which do not, a sentence each."""
        return tuple(room_notes(self.records))

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """A task a row, most room first: oracle, few-shot, room, chance, majority and more."""
        from mpt.api.values.frames import rooms_frame

        return rooms_frame(self.records)


class Measured(Compute, total=False):
    """Keywords of ``room``: what is measured and how; all may be left out.

    Attributes:
        study: whose ``tuning``, ``final`` seeds and rates; also the path of a study file.
        gym: ``mini`` or a folder of tasks; by default the study's.
        backbone: by default the study's.
        rows: training rows of the oracle on the embedded gym, 2,000 by default; on a folder it has
            all of the task's.
        updates: of the oracle's prompt, 400 by default.
        rates: of the oracle, of which dev chooses; by default the largest and the smallest of the
            study's ``final``.
        fine_tuning: whether few-shot full fine-tuning is measured too.
    """

    study: Study | str | Path | None
    gym: str | Path | None
    backbone: str | None
    rows: int | None
    updates: int
    rates: Sequence[float]
    fine_tuning: bool


def room(tasks: Sequence[str] = (), **ways: Unpack[Measured]) -> Room:
    """Measure how much an initial prompt could gain at most on each task.

    Room is the test score of an oracle, a prompt tuned on plenty of rows, minus the mean over data
    seeds of plain few-shot prompt tuning. What the ledger holds is not computed again.

    Args:
        tasks: by default all of the gym's.
        ways: what is measured, see ``Measured``, and how, see ``Compute``.

    Raises:
        UnknownName: no such task.
        ConfigError: a number that cannot be used.
        DataError: a task has no more rows than its few-shot training set.
        Stopped: it was interrupted, or its budget is spent; what is done is recorded.

    Example::

        mpt.room(rows=1000).tasks[["task", "oracle", "few_shot", "room"]]
    """
    with _opened(tasks, ways) as (session, plan):
        with session.alone(f"room:{plan.study.gym}"), summed_up(session), session.stopping:
            found = measure(plan, session.lab)
        session.progress.say(session.summary())
    return Room(tuple(found), plan.left_out)


def estimate_room(tasks: Sequence[str] = (), **ways: Unpack[Measured]) -> Estimate:
    """Estimate what ``room`` would compute and how long it takes; writes nothing.

    Args:
        tasks, ways: see ``room``.
    """
    with _opened(tasks, ways) as (session, plan):
        return estimated(session, lambda lab: room_work(plan, lab))


@contextmanager
def _opened(tasks: Sequence[str], ways: Measured) -> Iterator[tuple[Session, RoomPlan]]:
    """Open a session and read every row that is needed."""
    budget = OracleBudget(
        ways.get("rows"), ways.get("updates", UPDATES), tuple(ways.get("rates", ()))
    )
    changes = {"gym": ways.get("gym"), "backbone": ways.get("backbone")}
    chosen = studied(ways.get("study"), changes)
    known = {key: value for key, value in ways.items() if key in Compute.__annotations__}
    with Session(chosen, **cast(Compute, known)) as session:
        fine_tuned = ways.get("fine_tuning", False)
        plan = plan_room(
            chosen,
            tasks,
            budget,
            session.worker,
            fine_tuned=fine_tuned,
            progress=session.progress,
        )
        for line in plan.left_out:
            session.progress.say(f"warning: left out: {line}")
        yield session, plan
