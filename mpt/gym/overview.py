"""The description of a task for ``mpt gym list`` and ``show``: card, roles, sizes, examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpt.errors import TooFewTasks, UnknownName
from mpt.gym.build.cards import Card
from mpt.gym.build.catalogue import card, cards
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.reach import Reach
from mpt.gym.source import Gym, open_gym
from mpt.gym.splits import PARTS, SEEDS, Example

MANY_LABELS = 50
"""The most distinct answers that are listed as labels."""


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One line of ``mpt gym list``.

    Attributes:
        k: examples per class (``kind`` classification) or per task.
        source: data set and configuration.
        roles: e.g. ``R->R source``, ``validation``.
        checksum: whether the official MD5 sums can be reproduced today; see ``Checksum``.
    """

    task: str
    family: str
    subfamily: str
    kind: str
    metric: str
    k: int
    source: str
    hub: str | None
    licence: str
    checksum: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskDetails(TaskSummary):
    """Everything about one task; sizes, labels and examples need a gym's folder.

    Attributes:
        rows: how many rows the data set's splits had in 2021.
        sizes: examples in train, dev and test under the first seed.
        reach: how much of them the backbone can read and write.
    """

    input: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    reach: tuple[Reach, ...] = ()
    labels: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)


def listed(family: str | None = None, gym: str | None = None) -> list[TaskSummary]:
    """List the tasks of a gym, by default CrossFit's, in alphabetical order.

    Raises:
        UnknownName: no task is of this family, or there is no such gym.
        DataError: the folder is not a gym.
    """
    if gym is None:
        tasks = [TaskSummary(**_facts(task_card)) for task_card in cards().values()]
    else:
        opened = open_gym(gym)
        tasks = [TaskSummary(**_gym_facts(opened, task)) for task in opened.tasks]
    families = {task.family for task in tasks}
    if family is not None and family not in families:
        raise UnknownName("family", family, families)
    return [task for task in tasks if family in (None, task.family)]


def shown(task: str, folder: str | None = None) -> TaskDetails:
    """Describe one task, with sizes and examples from ``folder`` if given.

    A task that is only in the embedded gym is described from there.

    Raises:
        UnknownName: no such task in the catalogue (nor, with a folder, in that gym).
        DataError: the folder is not a gym.
    """
    if folder is None and (task in cards() or task not in open_gym().tasks):
        task_card = card(task)
        return TaskDetails(**_facts(task_card), **_recipe(task_card))
    gym = open_gym(folder or "mini")
    split = gym.split(task, SEEDS[0])
    facts = _gym_facts(gym, task)
    if task_card := cards().get(task):
        facts |= _recipe(task_card)
    answers = {
        answer for part in PARTS for example in split.part(part) for answer in example.targets
    }
    return TaskDetails(
        **facts,
        sizes={part: len(split.part(part)) for part in PARTS},
        labels=tuple(sorted(answers)) if len(answers) <= MANY_LABELS else (),
        examples={part: _example_line(split.part(part)[0]) for part in PARTS},
    )


def _example_line(example: Example) -> str:
    return f"{example.input!r} -> {' | '.join(map(repr, example.targets))}"


def _recipe(task_card: Card) -> dict:
    """Return the fields that ``TaskDetails`` adds to ``TaskSummary`` from the card alone."""
    reason = task_card.checksum.reason if task_card.checksum else ""
    return {
        "input": task_card.input,
        "notes": task_card.notes,
        "reason": reason,
        "rows": task_card.source.rows,
    }


def _gym_facts(gym: Gym, task: str) -> dict:
    """Return the fields of ``TaskSummary`` for a task of a gym."""
    if task_card := cards().get(task):
        return _facts(task_card)
    facts = gym.card(task)
    return {
        "task": facts.task,
        "family": facts.family,
        "subfamily": facts.subfamily,
        "kind": facts.kind,
        "metric": facts.metric,
        "k": facts.shots,
        "source": f"{gym.name}/{facts.task}",
        "hub": None,
        "licence": "unknown",
        "checksum": "own task",
        "roles": _roles(gym, task),
    }


def _roles(gym: Gym, task: str) -> tuple[str, ...]:
    """Return what a gym's settings use a task for; empty if it has too few tasks for a setting."""
    try:
        return gym.partitions.roles(task)
    except TooFewTasks:
        return ()


def _facts(task_card: Card) -> dict:
    """Return the fields of ``TaskSummary`` for one of CrossFit's tasks."""
    source = task_card.source
    return {
        "task": task_card.task,
        "family": task_card.family,
        "subfamily": task_card.subfamily,
        "kind": task_card.kind,
        "metric": task_card.metric,
        "k": task_card.shots,
        "source": f"{source.dataset}/{source.config or 'default'}",
        "hub": source.hub,
        "licence": task_card.licence,
        "checksum": task_card.checksum.kind if task_card.checksum else "unknown",
        "roles": crossfit_partitions().roles(task_card.task),
    }
