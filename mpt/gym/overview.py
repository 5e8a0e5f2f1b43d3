"""The description of a task for ``mpt gym list`` and ``show``: card, roles, sizes, examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpt.errors import UnknownName
from mpt.gym.build.cards import Card
from mpt.gym.build.catalogue import card, cards
from mpt.gym.crossfit import crossfit_partitions
from mpt.gym.reach import Reach
from mpt.gym.source import open_gym
from mpt.gym.splits import PARTS, SEEDS, Example, TaskCard

MANY_LABELS = 50
"""The most distinct answers that are listed as labels."""


@dataclass(frozen=True, slots=True)
class Listed:
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
class Shown(Listed):
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


def listed(family: str | None = None) -> list[Listed]:
    """List the tasks in alphabetical order. Raises ``UnknownName`` for an unknown family."""
    families = {task_card.family for task_card in cards().values()}
    if family is not None and family not in families:
        raise UnknownName("family", family, families)
    return [
        Listed(**_facts(task_card))
        for task_card in cards().values()
        if family in (None, task_card.family)
    ]


def shown(task: str, folder: str | None = None) -> Shown:
    """Describe one task, with sizes and examples from ``folder`` if given.

    Raises:
        UnknownName: no such task in the catalogue (nor, with a folder, in that gym).
        DataError: the folder is not a gym.
    """
    if folder is None:
        task_card = card(task)
        return Shown(**_facts(task_card), **_recipe(task_card))
    gym = open_gym(folder)
    split = gym.split(task, SEEDS[0])
    task_card = cards().get(task)
    if task_card:
        facts = {**_facts(task_card), **_recipe(task_card)}
    else:
        facts = _custom_facts(gym.card(task), folder)
    answers = {
        answer for part in PARTS for example in split.part(part) for answer in example.targets
    }
    return Shown(
        **facts,
        sizes={part: len(split.part(part)) for part in PARTS},
        labels=tuple(sorted(answers)) if len(answers) <= MANY_LABELS else (),
        examples={part: _example_line(split.part(part)[0]) for part in PARTS},
    )


def _example_line(example: Example) -> str:
    return f"{example.input!r} -> {' | '.join(map(repr, example.targets))}"


def _recipe(task_card: Card) -> dict:
    """Return the fields that ``Shown`` adds to ``Listed`` from the card alone."""
    reason = task_card.checksum.reason if task_card.checksum else ""
    return {
        "input": task_card.input,
        "notes": task_card.notes,
        "reason": reason,
        "rows": task_card.source.rows,
    }


def _custom_facts(facts: TaskCard, folder: str) -> dict:
    """Return the fields of ``Listed`` for a task that is not one of CrossFit's."""
    return {
        "task": facts.task,
        "family": facts.family,
        "subfamily": facts.subfamily,
        "kind": facts.kind,
        "metric": facts.metric,
        "k": facts.shots,
        "source": f"{folder}/{facts.task}",
        "hub": None,
        "licence": "unknown",
        "checksum": "own task",
        "roles": (),
    }


def _facts(task_card: Card) -> dict:
    """Return the fields of ``Listed`` for one of CrossFit's tasks."""
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
