"""Registered prompts: the versions of a model, and the alias that says which one answers."""

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
"""The alias of the version that answers."""

TIMEOUT = 10.0
"""Seconds that a database may take to answer."""


@dataclass(frozen=True, slots=True)
class Version:
    """One registered prompt.

    Attributes:
        number: counts up from 1 with every other prompt that is promoted.
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
    """Every registered model and its versions, the oldest first. Raises ``StoreError``."""
    with _client(home) as client:
        return {name: _versions(client, name) for name in _names(client)}


def registered_digest(home: Home, name: str, alias: str) -> str:
    """The digest of the unit that the version of a model with this alias was made from.

    Raises:
        UnknownName: no such model.
        InputError: it has no such alias, or is not a model of mpt.
        StoreError: the registry does not answer.
    """
    with _client(home) as client:
        known = _names(client)
        if name not in known:
            raise UnknownName("prompt", name, known, "Or give a digest; `mpt promote` registers.")
        version = client.get_registered_model(name).aliases.get(alias)
        if version is None:
            raise InputError(f"{name} has no alias {alias!r}; `mpt promote` sets it")
        digest = client.get_model_version(name, version).tags.get(DIGEST)
    if not digest:
        raise InputError(f"version {version} of {name} is no prompt of mpt; name another model")
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
        raise InputError("no prompt is registered yet; `mpt promote best` registers one")
    raise InputError(f"there are {len(names)} champions ({', '.join(names)}); name one of them")


def registered_as(home: Home, name: str, owner: str) -> str:
    """What the model ``name`` of a study is called in the registry: ``own_name`` where another
    study has that name, and ``name`` where nobody can say."""
    with suppress(StoreError), _client(home) as client:
        own = own_name(name, owner)
        if own in _names(client) and client.get_registered_model(own).tags.get(OWNER) == owner:
            return own
    return name


def rollback(home: Home, model: str, to: int | None = None) -> tuple[Version | None, Version]:
    """Point the champion of a model at an earlier version.

    Args:
        home: whose tracking store holds the registry.
        model: the registered model's name.
        to: the version; by default the last one before the champion.

    Returns:
        The champion before, None if there was none, and the champion now.

    Raises:
        UnknownName: no such model or version.
        InputError: there is no earlier version to go back to.
        StoreError: the registry does not answer.
    """
    with _client(home) as client:
        known = _names(client)
        if model not in known:
            raise UnknownName("model", model, known, "`mpt promote` registers one.")
        versions = _versions(client, model)
        was = next((version for version in versions if version.is_champion), None)
        wanted = _wanted(model, versions, was, to)
        client.set_registered_model_alias(model, CHAMPION, str(wanted.number))
        (now,) = (v for v in _versions(client, model) if v.is_champion)
    return was, now


def _wanted(model: str, versions: list[Version], was: Version | None, to: int | None) -> Version:
    by_number = {version.number: version for version in versions}
    if to is not None:
        if to not in by_number:
            raise UnknownName("version", str(to), map(str, by_number), "See `mpt registry list`.")
        return by_number[to]
    if was is None:
        raise InputError(f"{model} has no {CHAMPION}; name the version with --to")
    earlier = [version for version in versions if version.number < was.number]
    if not earlier:
        raise InputError(
            f"the {CHAMPION} of {model} is version {was.number}, and there is none before it; "
            "name another one with --to (see `mpt registry list`)"
        )
    return earlier[-1]


def _versions(client: Any, model: str) -> list[Version]:
    aliases = client.get_registered_model(model).aliases
    found = client.search_model_versions(f"name = '{model}'")
    return sorted(
        (
            Version(
                model=model,
                number=int(version.version),
                digest=version.tags.get(DIGEST, ""),
                created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                is_champion=str(aliases.get(CHAMPION)) == str(version.version),
            )
            for version in found
        ),
        key=lambda version: version.number,
    )


def _names(client: Any) -> list[str]:
    """Registered models; of another tool's, whose versions carry no digest, too."""
    return [model.name for model in client.search_registered_models()] if client else []


@contextmanager
def _client(home: Home) -> Iterator[Any]:
    """A client of the home's registry; None where a local store is not there, so as not to make it.

    What MLflow or its driver raises becomes a ``StoreError`` of one line.
    """
    uri = home.tracking_uri
    file = sqlite_file(uri)
    if file and not file.exists():
        yield None
        return
    if uri.startswith("postgres"):
        # MLflow itself asks a database that is away for minutes
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
            f"the registry {home.shown(uri)} cannot be used ({cause}); {cure}"
        ) from None
    finally:
        if client is not None:
            disconnect(client)
