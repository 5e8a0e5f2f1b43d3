"""The protocol of a gym, and ``open_gym``, which opens one by name or folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from mpt.errors import UnknownName
from mpt.gym.build.sampling import Shots
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS, FewShotSplit, TaskCard

MINI = "mini"
"""Name of the embedded gym."""


class Gym(Protocol):
    """A set of few-shot tasks with settings over them.

    Contract (``tests/contracts/test_gym_contract.py``): ``split`` is deterministic, ``tasks`` is
    sorted, every name in ``partitions`` is in ``tasks``, an unknown task raises ``UnknownName``.
    """

    @property
    def name(self) -> str:
        """Return ``mini``, or the folder as the user gave it."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the name of every task, sorted."""
        ...

    @property
    def partitions(self) -> Partitions:
        """Return the settings that this gym can run, and its validation tasks."""
        ...

    def card(self, task: str) -> TaskCard:
        """Return the task's card. Raises ``UnknownName``."""
        ...

    def split(self, task: str, seed: int, shots: Shots | None = None) -> FewShotSplit:
        """Return the task's examples under one of ``SEEDS``, with the official k or ``shots``.

        Raises ``UnknownName``, ``DataError``.
        """
        ...


@runtime_checkable
class Generates(Protocol):
    """A gym that draws rows under more data seeds than ``SEEDS``, such as a generator.

    A study names only the five of ``SEEDS``; the others serve a search that needs more of them.
    """

    @property
    def further_seeds(self) -> tuple[int, ...]:
        """Return the data seeds beyond ``SEEDS`` that ``split`` takes, in the order of use."""
        ...


def data_seeds(gym: Gym) -> tuple[int, ...]:
    """Return every data seed that a gym has rows for."""
    return (*SEEDS, *(gym.further_seeds if isinstance(gym, Generates) else ()))


def open_gym(where: str = MINI) -> Gym:
    """Open the embedded gym (``"mini"``) or a folder of tasks (CrossFit's or custom ones).

    Raises:
        UnknownName: neither ``mini`` nor an existing folder, and it does not look like a path.
        DataError: the folder does not exist, or holds no usable task.
    """
    if where == MINI:
        from mpt.gym.mini import MiniGym

        return MiniGym()
    if where.startswith("~"):
        with suppress(RuntimeError):
            where = str(Path(where).expanduser())
    if not Path(where).exists() and Path(where).name == where:
        raise UnknownName("gym", where, [MINI], "Or give the folder of a gym.")
    from mpt.gym.tsv import TsvGym

    return TsvGym(where)
