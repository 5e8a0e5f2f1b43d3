"""What there is to say about a task, gathered for a reader: card, roles, sizes, examples."""

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
"""Above this, distinct answers are no labels."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``mpt gym list``.

    Attributes:
        k: examples per class (``kind`` classification) or per task.
        source: data set and configuration.
        roles: e.g. ``R->R source``, ``validation``.
        checksum: whether the official MD5s can be met today; see ``Checksum``.
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
        reach: what of them the backbone can read and write.
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
    """The tasks in alphabetical order. Raises ``UnknownName`` for an unknown family."""
    families = {one.family for one in cards().values()}
    if family is not None and family not in families:
        raise UnknownName("family", family, families)
    return [Listed(**_facts(one)) for one in cards().values() if family in (None, one.family)]


def shown(task: str, folder: str | None = None) -> Shown:
    """One task, with sizes and examples from ``folder`` if given.

    Raises:
        UnknownName: no such task in the catalogue (nor in the folder, where own tasks may be).
        DataError: the folder is no gym.
    """
    if folder is None:
        one = card(task)
        return Shown(**_facts(one), **_recipe(one))
    gym = open_gym(folder)
    split = gym.split(task, SEEDS[0])
    one = cards().get(task)
    facts = {**_facts(one), **_recipe(one)} if one else _own_facts(gym.card(task), folder)
    answers = {
        answer for part in PARTS for example in split.part(part) for answer in example.targets
    }
    return Shown(
        **facts,
        sizes={part: len(split.part(part)) for part in PARTS},
        labels=tuple(sorted(answers)) if len(answers) <= MANY_LABELS else (),
        examples={part: _told(split.part(part)[0]) for part in PARTS},
    )


def _told(example: Example) -> str:
    return f"{example.input!r} -> {' | '.join(map(repr, example.targets))}"


def _recipe(one: Card) -> dict:
    """The fields that ``Shown`` adds to ``Listed`` from the card alone."""
    reason = one.checksum.reason if one.checksum else ""
    return {"input": one.input, "notes": one.notes, "reason": reason, "rows": one.source.rows}


def _own_facts(facts: TaskCard, folder: str) -> dict:
    """The fields of ``Listed`` for a task that is none of CrossFit's."""
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


def _facts(one: Card) -> dict:
    """The fields of ``Listed``."""
    source = one.source
    return {
        "task": one.task,
        "family": one.family,
        "subfamily": one.subfamily,
        "kind": one.kind,
        "metric": one.metric,
        "k": one.shots,
        "source": f"{source.dataset}/{source.config or 'default'}",
        "hub": source.hub,
        "licence": one.licence,
        "checksum": one.checksum.kind if one.checksum else "unknown",
        "roles": crossfit_partitions().roles(one.task),
    }
