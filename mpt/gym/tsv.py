"""A folder of tasks as a gym: CrossFit's TSV files, and custom tasks beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from mpt.errors import DataError, UnknownName
from mpt.gym.build.catalogue import cards
from mpt.gym.build.sampling import Shots
from mpt.gym.crossfit import folder_partitions
from mpt.gym.custom_tasks import CARD, find_custom_task
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS, FewShotSplit, TaskCard
from mpt.gym.tsv_task import find_tsv_task


class FolderTask(Protocol):
    """A task in a folder of its own, read on demand."""

    @property
    def facts(self) -> TaskCard:
        """Return the task's card."""
        ...

    @property
    def size(self) -> int:
        """Return the approximate size of the test set in bytes."""
        ...

    def split(self, seed: int) -> FewShotSplit:
        """Return the examples under ``seed``. Raises ``DataError``."""
        ...


class TsvGym:
    """A gym made of the tasks in a folder, read lazily and then kept in memory.

    A sub-folder without TSV files and without a ``card.yaml`` is ignored.

    Args:
        where: the folder.

    Raises:
        DataError: the folder is missing or holds no task, a task is incomplete, or a task is not
            one of CrossFit's and has no card.
    """

    def __init__(self, where: str | Path) -> None:
        self._name = str(where)
        self._tasks = _find_tasks(Path(where))
        self._splits: dict[tuple[str, int, Shots | None], FewShotSplit] = {}

    @property
    def name(self) -> str:
        """Return the folder as it was given."""
        return self._name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the name of every task, sorted."""
        return tuple(sorted(self._tasks))

    @property
    def partitions(self) -> Partitions:
        """Return the settings that the folder can run, by the rule of ``folder_partitions``."""
        return folder_partitions({name: task.size for name, task in self._tasks.items()})

    def card(self, task: str) -> TaskCard:
        """Return the task's card. Raises ``UnknownName``."""
        return self._task(task).facts

    def split(self, task: str, seed: int, shots: Shots | None = None) -> FewShotSplit:
        """Return the task's examples; see ``Gym.split``.

        By default k is the official one, or the only one in the folder.
        """
        folder_task = self._task(task)
        if seed not in SEEDS:
            raise DataError(
                f"seed {seed} has no split of {task!r}",
                fix=f"seeds are {SEEDS}",
            )
        key = (task, seed, shots)
        if key not in self._splits:
            if shots is not None:
                folder_task = _find_task(Path(self._name) / task, shots)
            self._splits[key] = folder_task.split(seed)
        return self._splits[key]

    def _task(self, task: str) -> FolderTask:
        try:
            return self._tasks[task]
        except KeyError:
            raise UnknownName("task", task, self._tasks, f"The gym is {self._name}.") from None


def _find_tasks(where: Path) -> dict[str, FolderTask]:
    if not where.is_dir():
        what = "is not a folder" if where.exists() else "does not exist"
        raise DataError(
            f"gym folder {where} {what}",
            fix=(
                "give a folder with one sub-folder per task (`mpt gym build` makes one), or `mini`"
            ),
        )
    if (where / CARD).exists():
        raise DataError(
            f"{where} is one task, not a gym",
            fix="put its folder beside other tasks and give the folder that holds them all",
        )
    folders = sorted(path for path in where.iterdir() if _is_task(path))
    if not folders:
        raise DataError(
            f"gym folder {where} holds no task",
            fix=(
                "expected <task>/<task>_<k>_<seed>_train.tsv "
                "and so on: make them with `mpt gym build`"
            ),
        )
    for folder in folders:
        if not _is_text(folder.name):
            raise DataError(
                f"gym folder {where}: the name of the folder {os.fsencode(folder.name)!r} is not "
                "UTF-8, so it cannot name a task",
                fix="rename it",
            )
    return {folder.name: _find_task(folder) for folder in folders}


def _is_text(name: str) -> bool:
    """Tell whether the bytes of a file's name are UTF-8; Python keeps others as surrogates."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _is_task(path: Path) -> bool:
    """Tell whether a path is a visible folder with TSV files or a card.

    Hidden folders are the unfinished work of a builder.
    """
    if path.name.startswith(".") or not path.is_dir():
        return False
    return any(file.suffix == ".tsv" or file.name == CARD for file in path.iterdir())


def _find_task(folder: Path, shots: Shots | None = None) -> FolderTask:
    if (folder / CARD).exists():
        return find_custom_task(folder, shots)
    catalogue = cards()
    if folder.name not in catalogue:
        unknown = UnknownName("task", folder.name, catalogue)
        raise DataError(
            f"{folder}: {unknown} Its metric is therefore unknown: rename the folder, "
            f"or describe the task in a {CARD} beside its files (docs/own-tasks.md)"
        )
    return find_tsv_task(folder, catalogue[folder.name].facts, shots)
