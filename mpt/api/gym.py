"""CrossFit's tasks: listed, shown, built, compared with the official files, copied."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.values.study import studied
from mpt.api.work.compute import PlainProgress
from mpt.errors import ConfigError
from mpt.gym.build.catalogue import cards
from mpt.gym.build.hub_rows import HubRows
from mpt.gym.build.many import build_many, chosen_cards, left_out, read_shots
from mpt.gym.build.mirror import Copied, mirror, wanted_splits
from mpt.gym.build.rows import MirrorRows
from mpt.gym.build.task import BuildPlan, Outcome
from mpt.gym.build.verify import FAILING, Comparison, verify
from mpt.gym.overview import TaskDetails, TaskSummary, listed, shown
from mpt.gym.page import gym_page as gym_page
from mpt.gym.reach import Reach

if TYPE_CHECKING:
    from mpt.compute.progress import Progress
    from mpt.study.study import Study


@dataclass(frozen=True)
class Built:
    """What ``build_gym`` did.

    Attributes:
        tasks: by name, with what became of each.
        source: where the rows came from, for people.
        left_out: where no task was named, those of CrossFit that the source has no rows for.
        known: number of tasks that CrossFit has.
    """

    tasks: tuple[Outcome, ...]
    source: str
    left_out: tuple[str, ...]
    known: int

    @property
    def has_failed(self) -> bool:
        """Whether a task could not be built."""
        return any(outcome.state == "failed" for outcome in self.tasks)


@dataclass(frozen=True)
class Verified:
    """How the tasks of a folder compare with the official files, one by one."""

    tasks: tuple[Comparison, ...]

    @property
    def failing(self) -> tuple[Comparison, ...]:
        """Those that should match and do not."""
        return tuple(task for task in self.tasks if task.state in FAILING)


@dataclass(frozen=True)
class Mirrored:
    """The splits of ``mirror_gym``, with what became of each."""

    splits: tuple[Copied, ...]

    @property
    def has_failed(self) -> bool:
        """Whether a split could not be copied."""
        return any(copied.state == "failed" for copied in self.splits)


def gym_tasks(family: str | None = None, gym: str | Path | None = None) -> list[TaskSummary]:
    """List the tasks of a gym, by default CrossFit's: metric, shots and role in the settings.

    Raises:
        UnknownName: no task is of this family, or there is no such gym.
        DataError: the folder is not a gym.
    """
    return listed(family, None if gym is None else str(gym))


def gym_task(
    task: str,
    gym: str | Path | None = None,
    *,
    study: Study | str | Path | None = None,
    backbone: str | None = None,
) -> TaskDetails:
    """Describe a task: its card, its source and its roles.

    Args:
        task: its name.
        gym: a folder of tasks; adds sizes, labels, examples, and how many inputs the backbone cuts
            off and how many answers it cannot write.
        study: whose backbone and limits read the rows; also the path of a study file.
        backbone: the name of another one.

    Raises:
        UnknownName: there is no such task.
        ConfigError: a study or backbone without a gym.
        DataError: the folder is not a gym.
    """
    if gym is None and (study or backbone):
        raise ConfigError(
            "--study and --backbone say who reads the rows of --gym",
            fix="give that too",
        )
    described = shown(task, None if gym is None else str(gym))
    if gym is None:
        return described
    return replace(described, reach=_reaches(task, str(gym), study, backbone))


def _reaches(
    task: str, gym: str, study: Study | str | Path | None, backbone: str | None
) -> tuple[Reach, ...]:
    """What of the task's rows the study's backbone can read and write."""
    # torch takes seconds to import, and a card needs none of it
    from mpt.backbone.load import load_backbone
    from mpt.doctor.token_reach import reaches
    from mpt.gym.source import open_gym

    config = studied(study, {"gym": gym, "backbone": backbone}).backbone
    return tuple(reaches(open_gym(gym), [task], load_backbone(config), config))


def build_gym(
    to: str | Path = "data/gym",
    tasks: Sequence[str] = (),
    *,
    mirror: str | Path | None = None,
    shots: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build tasks as CrossFit's TSV files; those that are there already are kept.

    Args:
        to: the folder to write to.
        tasks: their names; by default all that the source has rows for.
        mirror: a folder that ``mirror_gym`` made, to read rows from instead of the Hub.
        shots: rows per class or task, a number or ``all``; by default the official ones.
        jobs: tasks built at the same time; each takes a processor and about 0.3 GB.
        progress: hears how far it is; by default lines on standard error.

    Raises:
        UnknownName: there is no such task.
        ConfigError: ``shots`` is neither a number nor ``all``.
        DataError: the source holds nothing, cannot be reached, or the folder cannot be written.
        StoreError: another build is working in the folder.
    """
    source = MirrorRows(Path(mirror)) if mirror else HubRows()
    chosen = chosen_cards(tasks, source)
    plan = BuildPlan(source, Path(to), read_shots(shots))
    if isinstance(source, HubRows):
        source.reach()
    outcomes: list[Outcome] = []
    with (progress or PlainProgress()).stage(f"tasks from {source.name}", len(chosen)) as advance:
        for outcome in build_many(chosen, plan, jobs=jobs or usual_jobs()):
            outcomes.append(outcome)
            advance(1)
    outcomes.sort(key=lambda outcome: outcome.task)
    missing = () if tasks else tuple(left_out(chosen))
    return Built(tuple(outcomes), source.name, missing, len(cards()))


def usual_jobs() -> int:
    """Return the number of tasks that are built at the same time by default."""
    return min(os.cpu_count() or 1, 8)


def verify_gym(folder: str | Path, against: str | Path | None = None) -> Verified:
    """Compare the tasks of a folder with the official MD5 sums.

    Args:
        folder: that ``build_gym`` made.
        against: a folder of official files, to compare contents where sums cannot be.

    Raises:
        DataError: the folder is missing or holds no task of CrossFit.
    """
    other = None if against is None else Path(against)
    return Verified(tuple(verify(Path(folder), other)))


def mirror_gym(
    to: str | Path, tasks: Sequence[str] = (), *, progress: Progress | None = None
) -> Mirrored:
    """Copy the rows of tasks from the Hub, for machines without internet.

    Args:
        to: the folder to write to.
        tasks: their names; by default all.
        progress: hears how far it is; by default lines on standard error.

    Raises:
        UnknownName: there is no such task.
        DataError: the Hub cannot be reached.
    """
    source = HubRows()
    chosen = chosen_cards(tasks, source)
    source.reach()
    copies: list[Copied] = []
    total = len(wanted_splits(chosen))
    with (progress or PlainProgress()).stage("splits from the Hub", total) as advance:
        for copied in mirror(chosen, Path(to)):
            copies.append(copied)
            advance(1)
    return Mirrored(tuple(copies))
