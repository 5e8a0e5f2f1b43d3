"""What a shell completes: names of studies, trials, methods, presets, settings and tasks.

A completion never fails: where the names cannot be read there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from mpt.api.values import names


def _beginning(known: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    """Return the names that begin so; of names by commas the last one is completed."""
    before, comma, last = incomplete.rpartition(",")
    try:
        return [f"{before}{comma}{name}" for name in known() if name.startswith(last)]
    except Exception:
        # whatever a store or a file raises: a message would stand in the user's command line
        return []


def methods(incomplete: str) -> list[str]:
    """Complete the name of a method."""
    return _beginning(names.method_names, incomplete)


def samplers(incomplete: str) -> list[str]:
    """Complete the name of a sampler."""
    return _beginning(names.sampler_names, incomplete)


def pruners(incomplete: str) -> list[str]:
    """Complete the name of a pruner."""
    return _beginning(names.pruner_names, incomplete)


def presets(incomplete: str) -> list[str]:
    """Complete the name of a preset."""
    return _beginning(names.preset_names, incomplete)


def studies(incomplete: str) -> list[str]:
    """Complete the name of a study."""
    return _beginning(names.study_names, incomplete)


def trials(context: typer.Context, incomplete: str) -> list[str]:
    """Complete ``best`` or the number of a trial, of the study that ``--study`` names."""
    return _beginning(lambda: names.trial_names(context.params.get("study")), incomplete)


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a setting, of the gym that ``--gym`` names."""
    return _beginning(lambda: names.setting_names(context.params.get("gym")), incomplete)


def tasks(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a task, of the gym that ``--gym`` names."""
    gym = context.params.get("gym") or context.params.get("folder")
    return _beginning(lambda: names.task_names(gym), incomplete)
