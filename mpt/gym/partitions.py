"""Settings: which tasks a prompt is learned on, and which it is judged on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mpt.errors import ConfigError, UnknownName


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
    """

    settings: Mapping[str, Setting]
    validation: tuple[str, ...]
    ablations: Mapping[str, Setting] = field(default_factory=dict)

    def setting(self, name: str) -> Setting:
        """The setting or ablation called ``name``. Raises ``UnknownName``."""
        known = {**self.ablations, **self.settings}
        try:
            return known[name]
        except KeyError:
            raise UnknownName("setting", name, known) from None

    def roles(self, task: str) -> tuple[str, ...]:
        """Where ``task`` takes part, e.g. ``("R->R source", "NP->P target", "validation")``."""
        found = []
        for setting in (*self.settings.values(), *self.ablations.values()):
            if task in setting.sources:
                found.append(f"{setting.name} source")
            if task in setting.targets:
                found.append(f"{setting.name} target")
        return (*found, "validation") if task in self.validation else tuple(found)


def read_partitions(path: str | Path, tasks: Collection[str]) -> Partitions:
    """Own settings from a YAML file.

    ::

        settings:
          Reviews->News:
            sources: [imdb, rotten_tomatoes]
            targets: [ag_news]
        validation: [poem_sentiment]

    Args:
        path: the file.
        tasks: the tasks of the gym; every name in the file must be one of them.

    Raises:
        ConfigError: an unreadable file, an unknown or missing key, a wrong type, a source that is
            also a target.
        UnknownName: a task that the gym does not have.
    """
    import yaml

    try:
        given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as wrong:
        raise ConfigError(
            f"{path}: cannot be read as YAML ({' '.join(str(wrong).split())})"
        ) from None
    top = _keys(given, str(path), required={"settings"}, optional={"validation"})
    if not isinstance(top["settings"], dict) or not top["settings"]:
        raise ConfigError(f"{path}: settings must map at least one name to sources and targets")
    settings = {}
    for name, sides in top["settings"].items():
        where = f"{path}: setting {name!r}"
        sides = _keys(sides, where, required={"sources", "targets"}, optional=set())
        sources, targets = (
            _tasks(sides[side], f"{where}: {side}", tasks) for side in ("sources", "targets")
        )
        settings[str(name)] = Setting(str(name), sources, targets)
    return Partitions(settings, _tasks(top.get("validation", []), f"{path}: validation", tasks))


def _keys(given: object, where: str, *, required: set[str], optional: set[str]) -> dict:
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: must hold the keys {', '.join(sorted(required | optional))}")
    for key in given:
        if key not in required | optional:
            raise ConfigError(f"{where}: {UnknownName('key', str(key), required | optional)}")
    for key in sorted(required - set(given)):
        raise ConfigError(f"{where}: the key {key!r} is missing")
    return given


def _tasks(given: object, where: str, known: Collection[str]) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(task, str) for task in given):
        raise ConfigError(f"{where}: must be a list of task names, as in [imdb, ag_news]")
    for task in given:
        if task not in known:
            raise UnknownName("task", task, known, f"It is named in {where}.")
    return tuple(given)
