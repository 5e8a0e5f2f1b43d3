"""Names that a shell completes: of studies, their trials, presets, samplers, settings and tasks."""

from __future__ import annotations

from collections.abc import Iterable

from mpt.methods import METHODS


def method_names() -> Iterable[str]:
    """List the methods."""
    return METHODS


def sampler_names() -> Iterable[str]:
    """List the samplers."""
    from mpt.study.samplers import SAMPLERS

    return SAMPLERS


def pruner_names() -> Iterable[str]:
    """List the pruners, ``none`` among them."""
    from mpt.study.pruning import PRUNERS

    return ("none", *PRUNERS)


def preset_names() -> Iterable[str]:
    """List the presets in miniature."""
    from mpt.study.presets import preset_names

    return (name for name in preset_names() if name != "base")


def study_names() -> Iterable[str]:
    """List the studies, the newest one first."""
    from mpt.search.storage import study_names
    from mpt.store.home import Home

    return study_names(Home.find())


def trial_names(study: str | None = None) -> Iterable[str]:
    """List what can be promoted of a study: ``best``, and its completed trials."""
    from mpt.api.values.searched import found_search
    from mpt.lab.retest import ranked

    complete = ranked(found_search(study).trials)
    return ("best", *(str(trial.number) for trial in complete))


def setting_names(gym: str | None = None) -> Iterable[str]:
    """List the settings of a gym."""
    from mpt.gym.source import open_gym

    return open_gym(gym or "mini").partitions.settings


def task_names(gym: str | None = None) -> Iterable[str]:
    """List the tasks of a gym."""
    from mpt.gym.source import open_gym

    return open_gym(gym or "mini").tasks
