"""Registered prompts, and which version of a model answers."""

from __future__ import annotations

from mpt.tracking import registry
from mpt.tracking.address import tracked_home
from mpt.tracking.registry import Version


def registered(*, tracking_uri: str | None = None) -> list[Version]:
    """List every version of every registered prompt, model by model, the oldest version first.

    Args:
        tracking_uri: see ``Compute``.

    Raises:
        StoreError: the registry does not answer.
    """
    models = registry.models(tracked_home(tracking_uri))
    return [version for versions in models.values() for version in versions]


def roll_back(
    model: str, to: int | None = None, *, tracking_uri: str | None = None
) -> tuple[Version | None, Version]:
    """Make an earlier version of a model the champion again, or a later one; none is deleted.

    Args:
        model: the registered model's name.
        to: the version; by default the last one before the champion.
        tracking_uri: see ``Compute``.

    Returns:
        The previous champion, None if there was none, and the new one.

    Raises:
        UnknownName: there is no such model or version.
        InputError: there is no earlier version to go back to.
        StoreError: the registry does not answer.
    """
    return registry.rollback(tracked_home(tracking_uri), model, to)
