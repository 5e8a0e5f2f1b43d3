"""Studies from files and options: defaults, overrides, and all faults in one message."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from types import MappingProxyType

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mpt.config import BackboneConfig
from mpt.errors import ConfigError
from mpt.files.atomic import contained
from mpt.files.reading import read_yaml
from mpt.gym.partitions import Partitions, make_partitions, read_partitions
from mpt.gym.splits import SEEDS
from mpt.methods import METHODS
from mpt.schema import by_field_names, is_mapping, models_in
from mpt.study.places import absolute, expanded
from mpt.study.protocol import PROTOCOLS
from mpt.study.pruning import PRUNERS
from mpt.study.study import Study

_LOG = logging.getLogger("mpt.study")


EMBEDDED_RATES: Mapping[str, object] = MappingProxyType(
    {
        "outer": {"lr": 0.05},
        "space": {"outer_lr": {"low": 0.01, "high": 0.3}},
        "validation": {"lrs": [0.05]},
        "final": {"lrs": [0.05]},
    }
)
"""Rates of the embedded backbone. Rows of its vocabulary have a standard deviation of 0.16: a rate
of 0.05 moves a prompt by a third of that per update, 0.3 overshoots (sweeps/LOG.md)."""

EMBEDDED_BUDGET: Mapping[str, object] = MappingProxyType(
    {
        "tuning": {"steps": 30, "num_evals": 3},
        "validation": {"seeds": list(SEEDS[:3])},
        # full fine-tuning trains one cell at a time where prompt tuning packs sixteen
        "final": {"fine_tuning": {"lrs": [5e-4], "steps": 20}},
    }
)
"""Budget on the embedded gym, on two cores."""


def defaults(gym: str, method: str, backbone: str = "mini") -> dict[str, object]:
    """Return the default search space, rates and budget of a gym, method and backbone.

    Inputs of real tasks are longer than the embedded gym's, so more of their tokens are read.
    """
    # an unknown method is rejected later, with suggestions, when the study is made
    chosen: dict[str, object] = {"space": dict(METHODS[method].space if method in METHODS else {})}
    if backbone == "mini":
        chosen = merged(chosen, EMBEDDED_RATES)
    return merged(chosen, EMBEDDED_BUDGET if gym == "mini" else {"backbone": {"max_input": 96}})


def resolve(path: Path | None, changes: Mapping[str, object]) -> Study:
    """Return the study of a file, or the default study, with some keys changed.

    Raises:
        ConfigError: see ``read_study``.
    """
    if path is None:
        backbone = changes.get("backbone")
        base = defaults(
            str(changes.get("gym", "mini")),
            str(changes.get("method", "reptile")),
            str(backbone.get("name", "mini")) if is_mapping(backbone) else "mini",
        )
        return make_study(_with_partitions(merged(base, changes), Path(), "options"), "options")
    return read_study(path, changes)


def read_study(path: Path, overrides: Mapping[str, object]) -> Study:
    """Read a study from a YAML file, with some of its keys overridden.

    Raises:
        ConfigError: the file is missing or not YAML, or a key, type or value is invalid; one
            message names all of the file's faults.
    """
    where = f"study file {path}"
    given = current_keys(read_mapping(path), where)
    return make_study(_with_partitions(merged(given, overrides), path.parent, where), where)


def read_mapping(path: Path) -> dict[str, object]:
    """Read the keys of a YAML file.

    Raises:
        ConfigError: the file is missing, not YAML, or not a mapping.
    """
    try:
        given = read_yaml(path)
    except OSError as error:
        raise ConfigError(
            f"study file {path} cannot be read ({error.strerror})",
            fix="see sweeps/ for examples",
        ) from None
    except ValueError as error:
        raise ConfigError(f"study file {path} cannot be read as YAML: {error}") from None
    if not is_mapping(given):
        raise ConfigError(
            f"study file {path} holds {type(given).__name__}, not a mapping of keys such as "
            "'method: reptile'",
            fix="see sweeps/ for examples",
        )
    return dict(given)


def current_keys(given: Mapping[str, object], where: str) -> dict[str, object]:
    """Rename the old study keys of a file to the current ones, and log a note about them.

    Raises:
        ConfigError: a key is given under both its old and its new name.
    """
    current, renamed = _by_field_names(given, where)
    if renamed:
        names = ", ".join(f"{old!r} is now {new!r}" for old, new in renamed)
        _LOG.warning("note: %s: %s; the old spelling is still read", where, names)
    return current


def _by_field_names(
    given: Mapping[str, object], where: str
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    try:
        return by_field_names(given, Study)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _with_partitions(given: dict[str, object], folder: Path, where: str) -> dict[str, object]:
    """Return ``given`` with its custom settings read; the first is searched if none is named."""
    custom = given.get("partitions")
    if isinstance(custom, str):
        cure = "put the file beside the study file"
        path = contained(folder, expanded(custom), f"{where}: partitions", cure)
        custom = read_partitions(path)
    elif is_mapping(custom):
        custom = make_partitions(custom, f"{where}: partitions")
    if not isinstance(custom, Partitions):
        return given
    return {"setting": next(iter(custom.settings)), **given, "partitions": custom}


def make_study(given: Mapping[str, object], where: str = "study") -> Study:
    """Make a study from plain data, its folders made absolute from the working folder.

    Args:
        given: keys of a study file, or a stored study.
        where: prefix of error messages.

    Raises:
        ConfigError: keys or values are invalid; the message names all of them.
    """
    given, _ = _by_field_names(given, where)
    protocol = given.get("protocol")
    base = PROTOCOLS.get(protocol) if isinstance(protocol, str) else None
    try:
        return Study.model_validate(_placed(merged(base or {}, given)))
    except ValidationError as error:
        raise ConfigError(f"{where}: {faults_of(error, Study)}") from None


def _placed(given: dict[str, object]) -> dict[str, object]:
    placed = dict(given)
    if isinstance(gym := given.get("gym"), str):
        placed["gym"] = absolute(gym)
    backbone = given.get("backbone")
    if is_mapping(backbone) and isinstance(name := backbone.get("name"), str):
        placed["backbone"] = {**backbone, "name": absolute(name)}
    elif isinstance(backbone, BackboneConfig):
        placed["backbone"] = backbone.model_copy(update={"name": absolute(backbone.name)})
    return placed


_SHORT = Repr()
"""Formats a value in an error; YAML aliases can make one of any size from a few lines."""
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2


def faults_of(error: ValidationError, model: type[BaseModel]) -> str:
    """Format all faults of data that ``model`` rejected, suggesting similar keys and values."""
    return "; ".join(_fault(detail, model) for detail in error.errors())


_PLAINER = {
    "string_type": "expected a text, so put it in quotes",
    "bool_type": "give true or false",
}
"""Plainer messages about values of a wrong type than those of pydantic."""


_BRANCHES = ("interval", "choices", "constrained-int")
"""What pydantic calls the alternatives of a value that may be of several types."""


def _fault(detail: ErrorDetails, model: type[BaseModel]) -> str:
    loc = [part for part in detail["loc"] if str(part) not in _BRANCHES and "[" not in str(part)]
    place = ".".join(str(part) for part in loc if part not in PRUNERS)
    if detail["type"] == "extra_forbidden":
        keys = _keys_beside(loc, model)
        near = get_close_matches(str(loc[-1]), keys, n=1)
        meant = f" - did you mean {near[0]!r}?" if near else f"; valid keys here: {', '.join(keys)}"
        return f"unknown key {place!r}{meant}"
    message = detail["msg"].removeprefix("Value error, ").replace("valid tuple", "list of values")
    message = re.sub(r"a valid dictionary or instance of \w+", "a mapping of keys", message)
    if not loc:
        return message
    message = _PLAINER.get(detail["type"], message)
    given, wanted, context = detail["input"], "", detail.get("ctx", {})
    if detail["type"] == "literal_error":
        wanted = context["expected"]
    elif detail["type"] == "union_tag_invalid":
        given, wanted = context["tag"], context["expected_tags"]
        message = f"input should be none, {wanted}"
    typed = given if isinstance(given, str) else ""
    near = get_close_matches(typed, re.findall(r"'([^']*)'", wanted), n=1)
    meant = f" - did you mean {near[0]!r}?" if near else ""
    return f"{place!r} is {_SHORT.repr(given)}: {message[:1].lower()}{message[1:]}{meant}"


def _keys_beside(loc: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """List the valid keys at the place of an unknown one."""
    for part in loc[:-1]:
        if part in PRUNERS:
            model = PRUNERS[str(part)]
            continue
        field = model.model_fields.get(str(part))
        model = next(models_in(field.annotation), model) if field else model
    return sorted(model.model_fields)


def merged(base: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Merge ``changes`` into ``base``; mappings in both are merged recursively."""
    both = {
        key: merged(below, value)
        for key, value in changes.items()
        if is_mapping(value) and is_mapping(below := base.get(key))
    }
    return {**base, **changes, **both}
