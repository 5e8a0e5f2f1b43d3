"""Settings: which tasks a prompt is learned on, and which it is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpt.errors import ConfigError, UnknownName


@dataclass(frozen=True, slots=True)
class Setting:
    """Source tasks to learn the initial prompt on, target tasks to judge it on.

    Raises:
        ConfigError: a task is on both sides, or a side is empty.
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


@dataclass(frozen=True, slots=True)
class Partitions:
    """The settings of a gym and the tasks on which hyper-parameters are searched."""

    settings: Mapping[str, Setting]
    validation: tuple[str, ...]

    def setting(self, name: str) -> Setting:
        """The setting called ``name``. Raises ``UnknownName``."""
        try:
            return self.settings[name]
        except KeyError:
            raise UnknownName("setting", name, self.settings) from None
