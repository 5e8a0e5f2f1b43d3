"""The settings of the paper (Table 1), and those that a folder with fewer tasks can run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product

from mpt.errors import TooFewTasks
from mpt.gym.build.catalogue import cards
from mpt.gym.partitions import Partitions, Setting

VALIDATION_TASKS = 5
"""The paper searches hyper-parameters on five tasks."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A source and a target of one setting whose data overlap or come from one collection."""

    setting: str
    source: str
    target: str
    why: str


@cache
def crossfit_partitions() -> Partitions:
    """Return the ten settings, the 12/24/45-source ablations and the validation tasks.

    All are as published: some validation tasks are sources of some settings
    (``tweet_eval-emotion`` of ``Cls->Cls``). None is a target.
    """
    data = _data()
    settings, ablations = (
        {
            name: Setting(name, tuple(sides["sources"]), tuple(sides["targets"]))
            for name, sides in data[group].items()
        }
        for group in ("settings", "ablations")
    )
    return Partitions(settings, tuple(data["validation"]), ablations)


def folder_partitions(sizes: Mapping[str, int]) -> Partitions:
    """Return the settings and validation tasks for a folder that holds only some tasks.

    1. *Validation*: those of the official five that the folder holds, then stand-ins up to five:
       first the paper's other development tasks, then the smallest tasks that are a target in no
       setting, one per subfamily while there are new subfamilies. At most a quarter of a folder's
       tasks become stand-ins, so that some are left to learn from.
    2. *Settings*: each of the ten (and the ablations) without the stand-ins and the tasks that the
       folder lacks, provided that a source and a target remain.
    3. If no setting remains, a single setting ``all``: every third of the remaining tasks in
       alphabetical order (the first, the fourth...) is a target, the others are sources.

    Args:
        sizes: size of the test set (bytes or rows) of each task of the folder, for rule 1.

    Raises:
        TooFewTasks: fewer than two tasks remain, so no setting has both sides.
    """
    official = crossfit_partitions()
    validation, standins = _validation(official, sizes)
    usable = set(sizes) - set(standins)
    settings = _restricted(official.settings.values(), usable)
    if not settings:
        rest = sorted(usable - set(validation))
        if len(rest) < 2:
            raise TooFewTasks(
                "setting 'all' has no sources: it learns from some tasks and is evaluated on "
                f"others, and beside validation tasks the folder holds {', '.join(rest) or 'none'}",
                fix="add tasks to the folder",
            )
        targets, sources = rest[::3], [task for at, task in enumerate(rest) if at % 3]
        settings = {"all": Setting("all", tuple(sources), tuple(targets))}
    return Partitions(settings, validation, _restricted(official.ablations.values(), usable))


def near_duplicates(setting: Setting) -> tuple[NearDuplicate, ...]:
    """Return the source-target pairs of a setting that a reader of its results should know of.

    The paper's settings contain such pairs and its numbers include them: the same data set under
    two names, rows of the same configuration, or siblings of one collection (``ethos-*``).
    """
    data = _data()
    pairs = {frozenset(pair[:2]): pair[2] for pair in data["same_data"]}
    duplicates = []
    for source, target in product(setting.sources, setting.targets):
        why = pairs.get(frozenset((source, target))) or _kinship(
            source, target, data["sibling_prefixes"]
        )
        if why:
            duplicates.append(NearDuplicate(setting.name, source, target, why))
    return tuple(duplicates)


def _kinship(source: str, target: str, prefixes: Sequence[str]) -> str:
    catalogue = cards()
    if source in catalogue and target in catalogue:
        a, b = catalogue[source].source, catalogue[target].source
        if (a.dataset, a.config) == (b.dataset, b.config):
            return f"two tasks made from the same rows of {a.dataset}"
    for prefix in prefixes:
        if source.startswith(prefix) and target.startswith(prefix):
            return f"siblings of the collection {prefix.rstrip('-')}"
    return ""


def _restricted(settings: Collection[Setting], usable: Collection[str]) -> dict[str, Setting]:
    restricted = {}
    for setting in settings:
        sources = tuple(task for task in setting.sources if task in usable)
        targets = tuple(task for task in setting.targets if task in usable)
        if sources and targets:
            restricted[setting.name] = Setting(setting.name, sources, targets)
    return restricted


def _validation(
    official: Partitions, sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the validation tasks, and which of them are stand-ins."""
    chosen = [task for task in official.validation if task in sizes]
    room = min(VALIDATION_TASKS - len(chosen), len(sizes) // 4)
    targets = {task for setting in official.settings.values() for task in setting.targets}
    free = sorted(set(sizes) - targets - set(chosen), key=lambda task: (sizes[task], task))
    development = [task for task in _data()["development"] if task in free]
    standins: list[str] = []
    while room > len(standins) and len(free) > len(standins):
        left = [task for task in (*development, *free) if task not in standins]
        seen = {_subfamily(task) for task in (*chosen, *standins)}
        fresh = [task for task in left if _subfamily(task) not in seen]
        standins.append(left[0] if left[0] in development or not fresh else fresh[0])
    return (*chosen, *standins), tuple(standins)


def _subfamily(task: str) -> str:
    return cards()[task].subfamily if task in cards() else task


@cache
def _data() -> Mapping:
    return json.loads(files("mpt.gym").joinpath("data/partitions.json").read_text(encoding="utf-8"))
