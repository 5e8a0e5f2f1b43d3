"""Registered prompts: the versions of a model, and the alias of the one that is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpt.errors import InputError, MptError, StoreError, UnknownName
from mpt.store.address import sqlite_file
from mpt.store.database import survey
from mpt.store.home import Home
from mpt.tracking.client import connect, disconnect
from mpt.tracking.tracker import own_name
from mpt.tracking.writer import DIGEST, OWNER

CHAMPION = "champion"
"""The alias of the version that is served."""

TIMEOUT = 10.0
"""Seconds that a database may take to answer."""


@dataclass(frozen=True, slots=True)
class Version:
    """Describe a registered prompt.

    Attributes:
        model: the registered model's name.
        number: counted from 1; each new prompt that is promoted gets the next one.
        digest: of the meta-training that made it.
        created: UTC.
        is_champion: whether the alias ``champion`` points at it.
    """

    model: str
    number: int
    digest: str
    created: datetime
    is_champion: bool


def models(home: Home) -> dict[str, list[Version]]:
    """Return every registered model's versions, the oldest first. Raises ``StoreError``."""
    with _client(home) as client:
        return {name: _versions(client, name) for name in _names(client)}


def registered_digest(home: Home, name: str, alias: str) -> str:
    """Return the digest of the unit whose prompt is registered under a model's alias.

    Raises:
        UnknownName: there is no such model.
        InputError: it has no such alias, or is not a model of mpt.
        StoreError: the registry does not answer.
    """
    with _client(home) as client:
        names = _names(client)
        if name not in names:
            raise UnknownName("prompt", name, names, "Or give a digest; `mpt promote` registers.")
        version = client.get_registered_model(name).aliases.get(alias)
        if version is None:
            raise InputError(
                f"{name} has no alias {alias!r}",
                fix="`mpt promote` sets it",
            )
        digest = client.get_model_version(name, version).tags.get(DIGEST)
    if not digest:
        raise InputError(
            f"version {version} of {name} is not a prompt of mpt",
            fix="name another model",
        )
    return digest


def champion_of(home: Home, preferred: str) -> str:
    """Return the name of the registered prompt whose champion is meant without a name.

    Args:
        home: whose tracking store holds the registry.
        preferred: the name that is meant where there are several.

    Raises:
        InputError: there is none, or there are several and none is the preferred one.
    """
    names = [name for name, known in models(home).items() if any(v.is_champion for v in known)]
    if len(names) == 1:
        return names[0]
    if preferred in names:
        return preferred
    if not names:
        raise InputError(
            "no prompt is registered yet",
            fix="`mpt promote best` registers one",
        )
    raise InputError(
        f"there are {len(names)} champions ({', '.join(names)})",
        fix="name one of them",
    )


def champion_so_far(home: Home, name: str, owner: str) -> Version | None:
    """Return the champion of a study's model; None if there is none.

    Raises:
        StoreError: the registry does not answer.
    """
    with _client(home) as client:
        names = _names(client)
        for own in (own_name(name, owner), name):
            if own in names and _owner(client, own) in ("", owner):
                return next((each for each in _versions(client, own) if each.is_champion), None)
    return None


def registered_as(home: Home, name: str, owner: str) -> str:
    """Return the registered name of a study's model.

    It is ``own_name`` if another study has ``name``, and ``name`` if the registry does not answer.
    """
    with suppress(StoreError), _client(home) as client:
        own = own_name(name, owner)
        if own in _names(client) and _owner(client, own) == owner:
            return own
    return name


def _owner(client: Any, model: str) -> str:
    """Return the identity of the study that a model belongs to; empty if it has no tag of it."""
    return client.get_registered_model(model).tags.get(OWNER, "")


def rollback(home: Home, model: str, to: int | None = None) -> tuple[Version | None, Version]:
    """Point the champion of a model at an earlier version.

    Args:
        home: whose tracking store holds the registry.
        model: the registered model's name.
        to: the version; by default the last one before the champion.

    Returns:
        The previous champion, None if there was none, and the new one.

    Raises:
        UnknownName: there is no such model or version.
        InputError: there is no earlier version to go back to.
        StoreError: the registry does not answer.
    """
    with _client(home) as client:
        names = _names(client)
        if model not in names:
            raise UnknownName("model", model, names, "`mpt promote` registers one.")
        versions = _versions(client, model)
        previous = next((version for version in versions if version.is_champion), None)
        chosen = _wanted(model, versions, previous, to)
        client.set_registered_model_alias(model, CHAMPION, str(chosen.number))
        (current,) = (v for v in _versions(client, model) if v.is_champion)
    return previous, current


def _wanted(model: str, versions: list[Version], was: Version | None, to: int | None) -> Version:
    by_number = {version.number: version for version in versions}
    if to is not None:
        if to not in by_number:
            raise UnknownName("version", str(to), map(str, by_number), "See `mpt registry list`.")
        return by_number[to]
    if was is None:
        raise InputError(
            f"{model} has no {CHAMPION}",
            fix="name the version with --to",
        )
    earlier = [version for version in versions if version.number < was.number]
    if not earlier:
        raise InputError(
            f"the {CHAMPION} of {model} is version {was.number}, and there is none before it",
            fix="name another one with --to (see `mpt registry list`)",
        )
    return earlier[-1]


def _versions(client: Any, model: str) -> list[Version]:
    aliases = client.get_registered_model(model).aliases
    versions = client.search_model_versions(f"name = '{model}'")
    return sorted(
        (
            Version(
                model=model,
                number=int(version.version),
                digest=version.tags.get(DIGEST, ""),
                created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                is_champion=str(aliases.get(CHAMPION)) == str(version.version),
            )
            for version in versions
        ),
        key=lambda version: version.number,
    )


def _names(client: Any) -> list[str]:
    """Return the names of all registered models, also of other tools."""
    return [model.name for model in client.search_registered_models()] if client else []


@contextmanager
def _client(home: Home) -> Iterator[Any]:
    """Open a client of the home's registry; None if there is no local store, which is not made.

    Raises:
        StoreError: in place of whatever MLflow or its driver raises.
    """
    uri = home.tracking_uri
    file = sqlite_file(uri)
    if file and not file.exists():
        yield None
        return
    if uri.startswith("postgres"):
        # MLflow itself would retry for minutes if the database is down
        survey(uri, "registry", "MPT_TRACKING_URI", TIMEOUT)
    client: Any = None
    try:
        client = connect(uri, home.artifacts)
        yield client
    except MptError:
        raise
    except Exception as error:
        cause = Home.shown((str(error).splitlines() or [type(error).__name__])[0])
        cure = "see that its server runs, then run the same command"
        if uri.startswith("sqlite"):
            cure = "restore its file from a copy, or move it away and run `mpt sync --rebuild`"
        raise StoreError(
            f"the registry {home.shown(uri)} cannot be used ({cause})",
            fix=f"{cure}",
        ) from None
    finally:
        if client is not None:
            disconnect(client)
