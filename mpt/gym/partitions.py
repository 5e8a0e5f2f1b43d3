"""Settings: which tasks a prompt is learned on, and which it is evaluated on."""

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
"""Names of custom settings, which appear in comma-separated options, in files and in trackers."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Source tasks to learn the initial prompt on, target tasks to evaluate it on.

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
                f"setting {self.name!r} has {', '.join(both)} among its sources and its targets",
                fix="a target must be unseen: take it out of one side",
            )
        for side, tasks in (("sources", self.sources), ("targets", self.targets)):
            if not tasks:
                raise ConfigError(
                    f"setting {self.name!r} has no {side}",
                    fix="name at least one task",
                )
            twice = sorted({task for task in tasks if tasks.count(task) > 1})
            if twice:
                raise ConfigError(
                    f"setting {self.name!r} names {', '.join(twice)} twice among its {side}",
                    fix="name each task once",
                )


@dataclass(frozen=True, slots=True)
class Partitions:
    """The settings of a gym and the validation tasks that hyper-parameters are searched on.

    Attributes:
        settings: the settings that a promotion runs, in order.
        validation: tasks that score a trial.
        ablations: further settings, run only when named explicitly.

    Raises:
        ConfigError: a validation task is a target, so that the search would see evaluation data.
    """

    settings: Mapping[str, Setting]
    validation: tuple[str, ...]
    ablations: Mapping[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for setting in self._all():
            leaked = sorted(set(setting.targets) & set(self.validation))
            if leaked:
                raise ConfigError(
                    f"{', '.join(leaked)}: among the validation tasks and the targets of setting "
                    f"{setting.name!r}",
                    fix="nothing may be searched on a target: take it out of one",
                )

    @property
    def digest(self) -> str:
        """Return 12 hex digits over every setting and task: equal content, equal digest."""
        text = json.dumps(_stored(self), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]

    def setting(self, name: str) -> Setting:
        """Return the setting or ablation called ``name``; ``np-p`` is short for ``NP->P``.

        Raises ``UnknownName``.
        """
        settings = {**self.ablations, **self.settings}
        if name in settings:
            return settings[name]
        matches = [setting for setting in settings.values() if _short(setting.name) == _short(name)]
        if len(matches) != 1 or not _short(name):
            raise UnknownName("setting", name, settings)
        return matches[0]

    def roles(self, task: str) -> tuple[str, ...]:
        """Return the roles of ``task``, e.g. ``("R->R source", "NP->P target", "validation")``."""
        roles = []
        for setting in self._all():
            if task in setting.sources:
                roles.append(f"{setting.name} source")
            if task in setting.targets:
                roles.append(f"{setting.name} target")
        return (*roles, "validation") if task in self.validation else tuple(roles)

    def check(self, tasks: Collection[str]) -> None:
        """Raise ``UnknownName`` for a task that is not one of ``tasks``, those of a gym."""
        named = [
            (task, f"the {side} of setting {setting.name!r}")
            for setting in self._all()
            for side, names in (("sources", setting.sources), ("targets", setting.targets))
            for task in names
        ]
        for task, where in (*named, *((task, "validation") for task in self.validation)):
            if task not in tasks:
                raise UnknownName("task", task, tasks, f"It is named in {where}.")

    def _all(self) -> Iterator[Setting]:
        yield from self.settings.values()
        yield from self.ablations.values()


def read_partitions(path: str | Path) -> Partitions:
    """Read custom settings from a YAML file.

    ::

        settings:
          Reviews->News:
            sources: [imdb, rotten_tomatoes]
            targets: [ag_news]
        validation: [poem_sentiment]

    ``Partitions.check`` tells whether a gym has these tasks.

    Raises:
        ConfigError: an unreadable file, an unknown or missing key, a wrong type or name, a target
            that is also a source or a validation task.
    """
    try:
        fields = read_yaml(Path(path))
    except OSError as error:
        raise ConfigError(f"settings file {path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({error})") from None
    return make_partitions(fields, str(path))


def make_partitions(fields: object, where: str) -> Partitions:
    """Make custom settings from plain data, see ``read_partitions``.

    Error messages begin with ``where``.
    """
    top = _keys(fields, where, required={"settings"}, optional={"validation"})
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
    """Return the content of the digest, under names that do not depend on those of the code."""

    def sides(settings: Mapping[str, Setting]) -> dict[str, object]:
        return {
            key: {"name": setting.name, "sources": setting.sources, "targets": setting.targets}
            for key, setting in settings.items()
        }

    return {
        "settings": sides(partitions.settings),
        "validation": partitions.validation,
        "ablations": sides(partitions.ablations),
    }


def _short(name: str) -> str:
    """Return the short form of a name, ``np-p`` for ``NP->P``, which needs no quotes in a shell."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def _keys(fields: object, where: str, *, required: set[str], optional: set[str]) -> dict:
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: must hold the keys {', '.join(sorted(required | optional))}")
    for key in fields:
        if key not in required | optional:
            raise ConfigError(f"{where}: {UnknownName('key', str(key), required | optional)}")
    for key in sorted(required - set(fields)):
        raise ConfigError(f"{where}: the key {key!r} is missing")
    return fields


def _tasks(names: object, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(task, str) for task in names):
        raise ConfigError(f"{where}: must be a list of task names, as in [imdb, ag_news]")
    return tuple(names)
