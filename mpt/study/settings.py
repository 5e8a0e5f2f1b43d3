"""Settings of a study: its gym's, or custom ones from a file."""

from __future__ import annotations

from dataclasses import replace

from mpt.gym.partitions import Partitions
from mpt.gym.source import Gym
from mpt.study.study import Study


def settings_of(study: Study, gym: Gym) -> Partitions:
    """Return the study's custom settings, or those of its gym if it has none.

    Custom settings without validation tasks use the study's, or else the gym's.

    Raises:
        UnknownName: the gym lacks a task.
        ConfigError: a validation task is a target of a custom setting.
    """
    custom = study.partitions
    if custom is None:
        return gym.partitions
    custom.check(gym.tasks)
    validation = study.validation.tasks or custom.validation or gym.partitions.validation
    return replace(custom, validation=validation)
