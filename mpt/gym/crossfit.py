"""The settings of the paper (Table 1), and what a folder with fewer tasks can run of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product

from mpt.gym.build.catalogue import cards
from mpt.gym.partitions import Partitions, Setting

VALIDATION_TASKS = 5
"""The paper searches hyper-parameters on five tasks."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A source and a target of one setting that share more than a task format."""

    setting: str
    source: str
    target: str
    why: str


@cache
def crossfit_partitions() -> Partitions:
    """The ten settings, the 12/24/45-source ablations and the five validation tasks, as published.

    Some validation tasks are sources of some settings (``tweet_eval-emotion`` of ``Cls->Cls``):
    the paper has it so. None is a target.
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
    """What a folder that holds only some tasks can run.

    1. *Validation*: those of the official five that the folder holds, then stand-ins up to five:
       first the paper's other development tasks, then the smallest tasks that are a target
       nowhere, one per subfamily as long as there are new ones. At most a quarter of a folder's
       tasks become stand-ins, so that something is left to learn from.
    2. *Settings*: each of the ten (and the ablations), without the tasks that the folder lacks and
       without the stand-ins, if a source and a target are left.
    3. If none is left, the one setting ``all``: every third of the remaining tasks in alphabetical
       order (the first, the fourth...) is a target, the others are sources.

    Args:
        sizes: per task of the folder the size of its test set (bytes or rows), for rule 1.

    Raises:
        ConfigError: fewer than two tasks remain, so no setting has both sides.
    """
    official = crossfit_partitions()
    validation, standins = _validation(official, sizes)
    held = set(sizes) - set(standins)
    settings = _restricted(official.settings.values(), held)
    if not settings:
        rest = sorted(held - set(validation))
        targets, sources = rest[::3], [task for at, task in enumerate(rest) if at % 3]
        settings = {"all": Setting("all", tuple(sources), tuple(targets))}
    return Partitions(settings, validation, _restricted(official.ablations.values(), held))


def near_duplicates(setting: Setting) -> tuple[NearDuplicate, ...]:
    """Source-target pairs that a reader of results should know of.

    The paper's settings contain such pairs and its numbers include them: the same data set under
    two names, rows of the same configuration, or siblings of one collection (``ethos-*``).
    """
    data = _data()
    pairs = {frozenset(pair[:2]): pair[2] for pair in data["same_data"]}
    found = []
    for source, target in product(setting.sources, setting.targets):
        why = pairs.get(frozenset((source, target))) or _kinship(
            source, target, data["sibling_prefixes"]
        )
        if why:
            found.append(NearDuplicate(setting.name, source, target, why))
    return tuple(found)


def _kinship(source: str, target: str, prefixes: Sequence[str]) -> str:
    ours = cards()
    if source in ours and target in ours:
        a, b = ours[source].source, ours[target].source
        if (a.dataset, a.config) == (b.dataset, b.config):
            return f"two tasks made from the same rows of {a.dataset}"
    for prefix in prefixes:
        if source.startswith(prefix) and target.startswith(prefix):
            return f"siblings of the collection {prefix.rstrip('-')}"
    return ""


def _restricted(settings: Collection[Setting], held: Collection[str]) -> dict[str, Setting]:
    kept = {}
    for setting in settings:
        sources = tuple(task for task in setting.sources if task in held)
        targets = tuple(task for task in setting.targets if task in held)
        if sources and targets:
            kept[setting.name] = Setting(setting.name, sources, targets)
    return kept


def _validation(
    official: Partitions, sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The validation tasks, and which of them are stand-ins."""
    chosen = [task for task in official.validation if task in sizes]
    room = min(VALIDATION_TASKS - len(chosen), len(sizes) // 4)
    aimed = {task for setting in official.settings.values() for task in setting.targets}
    free = sorted(set(sizes) - aimed - set(chosen), key=lambda task: (sizes[task], task))
    developed = [task for task in _data()["development"] if task in free]
    standins: list[str] = []
    while room > len(standins) and len(free) > len(standins):
        left = [task for task in (*developed, *free) if task not in standins]
        seen = {_subfamily(task) for task in (*chosen, *standins)}
        fresh = [task for task in left if _subfamily(task) not in seen]
        standins.append(left[0] if left[0] in developed or not fresh else fresh[0])
    return (*chosen, *standins), tuple(standins)


def _subfamily(task: str) -> str:
    return cards()[task].subfamily if task in cards() else task


@cache
def _data() -> Mapping:
    return json.loads(files("mpt.gym").joinpath("data/partitions.json").read_text(encoding="utf-8"))
