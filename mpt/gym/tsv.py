"""A folder of tasks as a gym: CrossFit's TSV files, and tasks of one's own beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from mpt.errors import DataError, UnknownName
from mpt.gym.build.catalogue import cards
from mpt.gym.build.sampling import Shots
from mpt.gym.crossfit import folder_partitions
from mpt.gym.own import CARD, find_own_task
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS, FewShotSplit, TaskCard
from mpt.gym.tsv_task import find_tsv_task


class FolderTask(Protocol):
    """A task in its own folder, read when asked for."""

    @property
    def facts(self) -> TaskCard:
        """What the task is."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the rows that it is tested on, roughly."""
        ...

    def split(self, seed: int) -> FewShotSplit:
        """The examples under ``seed``. Raises ``DataError``."""
        ...


class TsvGym:
    """A gym made of a folder's tasks, read lazily and kept once read.

    A sub-folder without TSV files and without a ``card.yaml`` is ignored.

    Args:
        where: the folder.

    Raises:
        DataError: the folder is missing or holds no task, a task is incomplete, or is neither one
            of CrossFit's nor comes with a card.
    """

    def __init__(self, where: str | Path) -> None:
        self._name = str(where)
        self._found = _find_tasks(Path(where))
        self._splits: dict[tuple[str, int, Shots | None], FewShotSplit] = {}

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return self._name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task's name, sorted."""
        return tuple(sorted(self._found))

    @property
    def partitions(self) -> Partitions:
        """What the folder can run; the rule is that of ``folder_partitions``."""
        return folder_partitions({task: found.size for task, found in self._found.items()})

    def card(self, task: str) -> TaskCard:
        """What the task is. Raises ``UnknownName``."""
        return self._task(task).facts

    def split(self, task: str, seed: int, shots: Shots | None = None) -> FewShotSplit:
        """See ``Gym.split``; by default of the official k, or of the only one there is."""
        found = self._task(task)
        if seed not in SEEDS:
            raise DataError(f"seed {seed} has no split of {task!r}; seeds are {SEEDS}")
        key = (task, seed, shots)
        if key not in self._splits:
            wanted = found if shots is None else _find_task(Path(self._name) / task, shots)
            self._splits[key] = wanted.split(seed)
        return self._splits[key]

    def _task(self, task: str) -> FolderTask:
        try:
            return self._found[task]
        except KeyError:
            raise UnknownName("task", task, self._found, f"The gym is {self._name}.") from None


def _find_tasks(where: Path) -> dict[str, FolderTask]:
    if not where.is_dir():
        what = "is not a folder" if where.exists() else "does not exist"
        raise DataError(
            f"gym folder {where} {what}; give a folder with one sub-folder per task "
            "(`mpt gym build` makes one), or `mini`"
        )
    if (where / CARD).exists():
        raise DataError(
            f"{where} is one task, not a gym; put its folder beside other tasks and give the "
            "folder that holds them all"
        )
    folders = sorted(path for path in where.iterdir() if _is_task(path))
    if not folders:
        raise DataError(
            f"gym folder {where} holds no task; expected <task>/<task>_<k>_<seed>_train.tsv "
            "and its like: make them with `mpt gym build`"
        )
    for folder in folders:
        if not _is_text(folder.name):
            raise DataError(
                f"gym folder {where}: the name of the folder {os.fsencode(folder.name)!r} is no "
                "UTF-8, and a task is called by it; rename it"
            )
    return {folder.name: _find_task(folder) for folder in folders}


def _is_text(name: str) -> bool:
    """Whether the bytes of a file's name are UTF-8; Python keeps others as halves of signs."""
    return not any("\udc80" <= sign <= "\udcff" for sign in name)


def _is_task(path: Path) -> bool:
    """A visible folder with TSV files or a card; hidden ones are a builder's unfinished work."""
    if path.name.startswith(".") or not path.is_dir():
        return False
    return any(one.suffix == ".tsv" or one.name == CARD for one in path.iterdir())


def _find_task(folder: Path, shots: Shots | None = None) -> FolderTask:
    if (folder / CARD).exists():
        return find_own_task(folder, shots)
    known = cards()
    if folder.name not in known:
        unknown = UnknownName("task", folder.name, known)
        raise DataError(
            f"{folder}: {unknown} Its metric is therefore unknown: rename the folder, "
            f"or describe the task in a {CARD} beside its files (docs/own-tasks.md)"
        )
    return find_tsv_task(folder, known[folder.name].facts, shots)
