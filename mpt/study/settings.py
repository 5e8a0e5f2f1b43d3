"""Which settings a study runs: its gym's, or its own from a file."""

from __future__ import annotations

from dataclasses import replace

from mpt.gym.partitions import Partitions
from mpt.gym.source import Gym
from mpt.study.study import Study


def settings_of(study: Study, gym: Gym) -> Partitions:
    """The study's own settings, else those of its gym.

    Own settings without validation tasks are searched on the study's, else on the gym's.

    Raises:
        UnknownName: a task that the gym does not have.
        ConfigError: a task that is searched on is a target of an own setting.
    """
    own = study.partitions
    if own is None:
        return gym.partitions
    own.check(gym.tasks)
    searched = study.validation.tasks or own.validation or gym.partitions.validation
    return replace(own, validation=searched)
