"""Which tasks have prompts that are alike, and which source tasks to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.api.values.searched import found_search
from mpt.api.work.compute import PlainProgress
from mpt.api.work.session import Session
from mpt.compute.worker import Worker
from mpt.gym.crossfit import near_duplicates
from mpt.gym.partitions import Setting
from mpt.gym.source import open_gym
from mpt.lab import similarity as subspaces
from mpt.lab.recorded import Recorded
from mpt.store.home import Home
from mpt.store.ledger import open_ledger
from mpt.study import study as studies
from mpt.study.places import gym_of
from mpt.study.study_file import resolve

if TYPE_CHECKING:
    from typing import Unpack

    import pandas as pd

    from mpt.api.values.plot import Plot
    from mpt.api.work.compute import Compute

FEW = 5
"""Missing tasks that are named one by one."""


@dataclass(frozen=True)
class Suggestion:
    """Source tasks for a target.

    Attributes:
        sources: tasks with their correlations, the most alike first.
        warnings: which of them share data with the target.
    """

    target: str
    sources: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]

    @property
    def tasks(self) -> list[str]:
        """The names of the sources, as a study's ``sources`` takes them."""
        return [task for task, _ in self.sources]


@dataclass(frozen=True)
class Similarity:
    """How alike tasks are.

    Attributes:
        records: the correlations as they were computed.
    """

    records: subspaces.SimilarityMatrix

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """How much of the row's prompt lies in the column's subspace, 0 to 1."""
        import pandas as pd

        tasks = list(self.records.tasks)
        return pd.DataFrame(list(self.records.matrix), index=tasks, columns=tasks)

    def suggest(self, target: str, count: int = 5) -> Suggestion:
        """Suggest the tasks to take as sources for a target.

        Raises:
            UnknownName: the target has no tuned prompt here.
        """
        sources = tuple(self.records.sources(target)[:count])
        setting = Setting("suggested", tuple(task for task, _ in sources), (target,))
        kin = near_duplicates(setting)
        shared = tuple(f"{pair.source} shares data with {target}: {pair.why}" for pair in kin)
        return Suggestion(target, sources, shared)

    def plot(self) -> Plot:
        """Draw the matrix, tasks that are alike beside each other."""
        from mpt.api.values.plot import Plot
        from mpt.report.figures.heat import similarity_figure

        return Plot(similarity_figure(self.records))


def similarity(
    study: studies.Study | str | Path | None = None,
    tasks: Sequence[str] = (),
    *,
    tune: bool = False,
    **ways: Unpack[Compute],
) -> Similarity:
    """Compute how much of one task's tuned prompt lies in the subspace of another's.

    Args:
        study: a study, its name or its file; by default the study begun last.
        tasks: by default all of the study's settings.
        tune: tune the prompts that the ledger lacks; else those that it holds are compared.
        ways: with ``tune``, see ``Compute``.

    Raises:
        UnknownName: no such study or task.
        InputError: fewer than two tasks have a tuned prompt.

    Example::

        mpt.similarity().suggest("forum-topic").tasks
    """
    chosen = _study(study)
    spaces = _tuned(chosen, tasks, ways) if tune else _recorded(chosen, tasks, ways)
    return Similarity(subspaces.similarity(spaces))


def _study(which: studies.Study | str | Path | None) -> studies.Study:
    if isinstance(which, studies.Study):
        return which
    if which is not None and Path(which).suffix in (".yaml", ".yml"):
        return resolve(Path(which).expanduser(), {})
    study = found_search(None if which is None else str(which)).study
    gym_of(study)
    return study


def _tuned(study: studies.Study, tasks: Sequence[str], ways: Compute) -> subspaces.Spaces:
    """All prompts, those that the ledger lacks tuned now."""
    with Session(study, **ways) as session:
        named = tasks or subspaces.tasks_of(study, session.worker.gym)
        with session.alone(f"similarity:{study.title}"):
            found = subspaces.tuned(study, named, session.lab)
        session.progress.say(session.summary())
    return found


def _recorded(study: studies.Study, tasks: Sequence[str], ways: Compute) -> subspaces.Spaces:
    """The prompts that the ledger holds; nothing is written."""
    home = Home.find()
    with open_ledger(home) as ledger:
        lab = Recorded(Worker(open_gym(study.gym), study.backbone, home, computes=False), ledger)
        named = tasks or subspaces.tasks_of(study, lab.worker.gym)
        found = subspaces.recorded(study, named, lab)
    lost = [task for task in named if task not in found]
    if found and lost:
        few = ", ".join(lost) if len(lost) <= FEW else f"{len(lost)} of {len(named)} tasks"
        progress = ways.get("progress") or PlainProgress()
        progress.say(f"warning: no tuned prompt of {few}; --tune tunes what is missing")
    return found
