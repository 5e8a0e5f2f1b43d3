"""A study from a file or from options: defaults, overrides, and every fault in one message."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from typing import Any

from pydantic import BaseModel, ValidationError

from mpt.config import BackboneConfig
from mpt.errors import ConfigError
from mpt.files.atomic import contained
from mpt.files.reading import read_yaml
from mpt.gym.partitions import Partitions, make_partitions, read_partitions
from mpt.methods import METHODS
from mpt.schema import by_field_names, models_in
from mpt.study.places import absolute, expanded
from mpt.study.protocol import PROTOCOLS
from mpt.study.pruning import PRUNERS
from mpt.study.study import Study

_LOG = logging.getLogger("mpt.study")


def defaults(gym: str, method: str) -> dict[str, Any]:
    """What is searched when no file says otherwise: sized for the embedded backbone on two cores.

    Rows of a folder of real tasks are longer than the embedded gym's, so more of them is read.
    """
    # an unknown method is refused when the study is made, with its near misses
    space = dict(METHODS[method].space) if method in METHODS else {}
    if gym != "mini":
        return {"space": space, "backbone": {"max_input": 96}}
    # full fine-tuning trains alone what prompt tuning trains sixteen at a time
    return {"space": space, "final": {"fine_tuning": {"lrs": [5e-4], "steps": 20}}}


def resolve(path: Path | None, changes: Mapping[str, Any]) -> Study:
    """The study of a file, or the default one, with some keys changed.

    Raises:
        ConfigError: see ``read_study``.
    """
    if path is None:
        base = defaults(changes.get("gym", "mini"), changes.get("method", "reptile"))
        return make_study(_with_partitions(merged(base, changes), Path(), "options"), "options")
    return read_study(path, changes)


def read_study(path: Path, overrides: Mapping[str, Any]) -> Study:
    """The study in a YAML file, with some of its keys overridden.

    Raises:
        ConfigError: no such file, not YAML, an unknown key, a wrong type or value; all of the
            file's faults in one message.
    """
    where = f"study file {path}"
    given = current_keys(read_mapping(path), where)
    return make_study(_with_partitions(merged(given, overrides), path.parent, where), where)


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys of a YAML file.

    Raises:
        ConfigError: no such file, not YAML, no mapping.
    """
    try:
        given = read_yaml(path)
    except OSError as error:
        raise ConfigError(
            f"study file {path} cannot be read ({error.strerror}); see sweeps/ for examples"
        ) from None
    except ValueError as error:
        raise ConfigError(f"study file {path} cannot be read as YAML: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError(
            f"study file {path} holds {type(given).__name__}, not a mapping of keys such as "
            "'method: reptile'; see sweeps/ for examples"
        )
    return given


def current_keys(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Study keys from a file under their names of today; old ones are read, and a note is logged.

    Raises:
        ConfigError: a key is given under its old name and its new one.
    """
    current, renamed = _by_field_names(given, where)
    if renamed:
        names = ", ".join(f"{old!r} is now {new!r}" for old, new in renamed)
        _LOG.warning("note: %s: %s; the old spelling is still read", where, names)
    return current


def _by_field_names(
    given: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    try:
        return by_field_names(given, Study)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _with_partitions(given: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """``given`` with its settings read; the first of them is searched if none is named."""
    own = given.get("partitions")
    if isinstance(own, str):
        cure = "put the file beside the study file"
        own = read_partitions(contained(folder, expanded(own), f"{where}: partitions", cure))
    elif isinstance(own, dict):
        own = make_partitions(own, f"{where}: partitions")
    if not isinstance(own, Partitions):
        return given
    return {"setting": next(iter(own.settings)), **given, "partitions": own}


def make_study(given: Mapping[str, Any], where: str = "study") -> Study:
    """A study from plain data, its folders absolute; relative ones are under the working folder.

    Args:
        given: keys of a study file, or a study as it is stored.
        where: what its errors begin with.

    Raises:
        ConfigError: names every key at fault.
    """
    given, _ = _by_field_names(given, where)
    protocol = given.get("protocol")
    habits = PROTOCOLS.get(protocol, {}) if isinstance(protocol, str) else {}
    try:
        return Study.model_validate(_placed(merged(habits, given)))
    except ValidationError as error:
        raise ConfigError(f"{where}: {faults_of(error, Study)}") from None


def _placed(given: dict[str, Any]) -> dict[str, Any]:
    found = dict(given)
    if isinstance(gym := given.get("gym"), str):
        found["gym"] = absolute(gym)
    backbone = given.get("backbone")
    if isinstance(backbone, Mapping) and isinstance(name := backbone.get("name"), str):
        found["backbone"] = {**backbone, "name": absolute(name)}
    elif isinstance(backbone, BackboneConfig):
        found["backbone"] = backbone.model_copy(update={"name": absolute(backbone.name)})
    return found


_SHORT = Repr()
"""A value as an error shows it; aliases of YAML can make one of any size from a few lines."""
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2


def faults_of(error: ValidationError, model: type[BaseModel]) -> str:
    """Every fault of data that ``model`` refused, with near misses of its keys and values."""
    return "; ".join(_fault(detail, model) for detail in error.errors())


_PLAINER = {
    "string_type": "a text is wanted, so put it in quotes",
    "bool_type": "give true or false",
}
"""What to do about a value of another type, where pydantic only says which it should be."""


def _fault(detail: Any, model: type[BaseModel]) -> str:
    loc = [part for part in detail["loc"] if part not in ("interval", "choices")]
    place = ".".join(str(part) for part in loc if part not in PRUNERS)
    if detail["type"] == "extra_forbidden":
        known = _keys_beside(loc, model)
        near = get_close_matches(str(loc[-1]), known, n=1)
        meant = f" - did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}"
        return f"unknown key {place!r}{meant}"
    message = detail["msg"].removeprefix("Value error, ").replace("valid tuple", "list of values")
    message = re.sub(r"a valid dictionary or instance of \w+", "a mapping of keys", message)
    if not loc:
        return message
    message = _PLAINER.get(detail["type"], message)
    given, wanted = detail["input"], ""
    if detail["type"] == "literal_error":
        wanted = detail["ctx"]["expected"]
    elif detail["type"] == "union_tag_invalid":
        given, wanted = detail["ctx"]["tag"], detail["ctx"]["expected_tags"]
        message = f"input should be none, {wanted}"
    typed = given if isinstance(given, str) else ""
    near = get_close_matches(typed, re.findall(r"'([^']*)'", wanted), n=1)
    meant = f" - did you mean {near[0]!r}?" if near else ""
    return f"{place!r} is {_SHORT.repr(given)}: {message[:1].lower()}{message[1:]}{meant}"


def _keys_beside(loc: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The keys that could have stood where an unknown one was found."""
    for part in loc[:-1]:
        if part in PRUNERS:
            model = PRUNERS[str(part)]
            continue
        field = model.model_fields.get(str(part))
        model = next(models_in(field.annotation), model) if field else model
    return sorted(model.model_fields)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``; mappings in both are merged key by key, at every depth."""
    both = {
        key: merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
    }
    return {**base, **changes, **both}
