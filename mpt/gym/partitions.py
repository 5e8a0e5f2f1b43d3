"""Settings: which tasks a prompt is learned on, and which it is judged on."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mpt.errors import ConfigError, UnknownName
from mpt.files.reading import read_yaml

_NAME = re.compile(r"\w[\w >+.()-]{0,59}")
"""Names of own settings: they stand in options (by commas), in files and in trackers."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Source tasks to learn the initial prompt on, target tasks to judge it on.

    Raises:
        ConfigError: a task is on both sides or twice on one, or a side is empty.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        both = sorted(set(self.sources) & set(self.targets))
        if both:
            raise ConfigError(
                f"setting {self.name!r} has {', '.join(both)} among its sources and its targets; "
                "a target must be unseen: take it out of one side"
            )
        for side, tasks in (("sources", self.sources), ("targets", self.targets)):
            if not tasks:
                raise ConfigError(f"setting {self.name!r} has no {side}; name at least one task")
            twice = sorted({task for task in tasks if tasks.count(task) > 1})
            if twice:
                raise ConfigError(
                    f"setting {self.name!r} names {', '.join(twice)} twice among its {side}; "
                    "name each task once"
                )


@dataclass(frozen=True, slots=True)
class Partitions:
    """The settings of a gym and the tasks on which hyper-parameters are searched.

    Attributes:
        settings: the settings that a promotion runs, in their order.
        validation: tasks that score a trial.
        ablations: further settings, run only when asked for by name.

    Raises:
        ConfigError: a validation task is a target, so that a search would see what it is judged on.
    """

    settings: Mapping[str, Setting]
    validation: tuple[str, ...]
    ablations: Mapping[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for setting in self._all():
            seen = sorted(set(setting.targets) & set(self.validation))
            if seen:
                raise ConfigError(
                    f"{', '.join(seen)}: among the validation tasks and the targets of setting "
                    f"{setting.name!r}; nothing may be searched on a target: take it out of one"
                )

    @property
    def digest(self) -> str:
        """12 hex digits over every setting and task: equal content, equal digest."""
        text = json.dumps(_stored(self), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]

    def setting(self, name: str) -> Setting:
        """The setting or ablation called ``name``, or its short form: ``np-p`` is ``NP->P``.

        Raises ``UnknownName``.
        """
        known = {**self.ablations, **self.settings}
        if name in known:
            return known[name]
        short = [setting for setting in known.values() if _short(setting.name) == _short(name)]
        if len(short) != 1 or not _short(name):
            raise UnknownName("setting", name, known)
        return short[0]

    def roles(self, task: str) -> tuple[str, ...]:
        """Where ``task`` takes part, e.g. ``("R->R source", "NP->P target", "validation")``."""
        found = []
        for setting in self._all():
            if task in setting.sources:
                found.append(f"{setting.name} source")
            if task in setting.targets:
                found.append(f"{setting.name} target")
        return (*found, "validation") if task in self.validation else tuple(found)

    def check(self, tasks: Collection[str]) -> None:
        """Raise ``UnknownName`` for a task that is not one of ``tasks``, those of a gym."""
        named = [
            (task, f"the {side} of setting {setting.name!r}")
            for setting in self._all()
            for side, given in (("sources", setting.sources), ("targets", setting.targets))
            for task in given
        ]
        for task, where in (*named, *((task, "validation") for task in self.validation)):
            if task not in tasks:
                raise UnknownName("task", task, tasks, f"It is named in {where}.")

    def _all(self) -> Iterator[Setting]:
        yield from self.settings.values()
        yield from self.ablations.values()


def read_partitions(path: str | Path) -> Partitions:
    """Own settings from a YAML file.

    ::

        settings:
          Reviews->News:
            sources: [imdb, rotten_tomatoes]
            targets: [ag_news]
        validation: [poem_sentiment]

    Whether a gym has these tasks, ``Partitions.check`` tells.

    Raises:
        ConfigError: an unreadable file, an unknown or missing key, a wrong type or name, a target
            that is also a source or a validation task.
    """
    try:
        given = read_yaml(Path(path))
    except OSError as wrong:
        raise ConfigError(f"settings file {path} cannot be read ({wrong.strerror})") from None
    except ValueError as wrong:
        raise ConfigError(f"{path}: cannot be read as YAML ({wrong})") from None
    return make_partitions(given, str(path))


def make_partitions(given: object, where: str) -> Partitions:
    """Own settings from plain data, see ``read_partitions``; ``where`` begins its errors."""
    top = _keys(given, where, required={"settings"}, optional={"validation"})
    if not isinstance(top["settings"], dict) or not top["settings"]:
        raise ConfigError(f"{where}: settings must map at least one name to sources and targets")
    settings = {}
    for name, sides in top["settings"].items():
        if not _NAME.fullmatch(str(name)):
            raise ConfigError(
                f"{where}: setting {name!r}: a name consists of letters, digits, blanks and "
                "- > + . _ ( ), 60 characters at most"
            )
        place = f"{where}: setting {name!r}"
        sides = _keys(sides, place, required={"sources", "targets"}, optional=set())
        sources, targets = (
            _tasks(sides[side], f"{place}: {side}") for side in ("sources", "targets")
        )
        settings[str(name)] = Setting(str(name), sources, targets)
    return Partitions(settings, _tasks(top.get("validation", []), f"{where}: validation"))


def _stored(partitions: Partitions) -> dict[str, object]:
    """What is digested, under names that a change of the code leaves alone."""

    def sides(settings: Mapping[str, Setting]) -> dict[str, object]:
        return {
            key: {"name": one.name, "sources": one.sources, "targets": one.targets}
            for key, one in settings.items()
        }

    return {
        "settings": sides(partitions.settings),
        "validation": partitions.validation,
        "ablations": sides(partitions.ablations),
    }


def _short(name: str) -> str:
    """``np-p`` for ``NP->P``: what a shell takes without quotes."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def _keys(given: object, where: str, *, required: set[str], optional: set[str]) -> dict:
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: must hold the keys {', '.join(sorted(required | optional))}")
    for key in given:
        if key not in required | optional:
            raise ConfigError(f"{where}: {UnknownName('key', str(key), required | optional)}")
    for key in sorted(required - set(given)):
        raise ConfigError(f"{where}: the key {key!r} is missing")
    return given


def _tasks(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(task, str) for task in given):
        raise ConfigError(f"{where}: must be a list of task names, as in [imdb, ag_news]")
    return tuple(given)
