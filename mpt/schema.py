"""How configurations are written and digested: under names that are data, not names of code.

A ledger outlives the code that wrote it. So what stands in stored JSON, and what a digest is taken
over, is a schema: a name and a version of its own for every kind of configuration, and for every
field the name that it is stored under. Classes and fields of Python can be renamed; a digest
changes only where a schema is changed on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar, TypeGuard, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticKnownError

from mpt.errors import ConfigError

PLACE = "place"
"""The stored name of the field of a unit that is no part of its digest."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a kind of configuration is called in stored data.

    Attributes:
        name: under which it is digested; two kinds that are both units of work have two names.
        version: raised where a field comes to mean something else, so that every digest changes.
    """

    name: str
    version: int = 1

    @property
    def tag(self) -> str:
        """What a digest begins with; version 1 is that of ledgers without versions."""
        return self.name if self.version == 1 else f"{self.name} v{self.version}"


def stored_as(name: str) -> Any:
    """Annotate a field that stored data know by another ``name`` than the code.

    ::

        num_evals: Annotated[Count, stored_as("looks")] = 4
    """
    return Field(validation_alias=name, serialization_alias=name)


def digest_of(schema: Schema, stored: Mapping[str, object]) -> str:
    """Compute the digest of a configuration: 12 hex digits over its canonical JSON.

    Args:
        schema: of its kind.
        stored: the configuration as JSON, under the names of the schema.
    """
    known = {key: value for key, value in stored.items() if key != PLACE}
    text = json.dumps(_that_are_set(known), sort_keys=True, separators=(",", ":"))
    return sha256(f"{schema.tag}:{text}".encode()).hexdigest()[:12]


def _that_are_set(value: object) -> object:
    """A value without unset keys: an optional field is added without making old units others."""
    if is_mapping(value):
        return {key: _that_are_set(part) for key, part in value.items() if part is not None}
    return [_that_are_set(part) for part in value] if is_list(value) else value


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether plain data, as of JSON or YAML, are a mapping of keys."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether plain data, as of JSON or YAML, are a list."""
    return isinstance(value, list)


class Frozen(BaseModel):
    """A value with an identity: immutable, strict about its keys, equal by content.

    It is written under the names of its schema and read under those and its own; errors name
    fields as the code does.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
    )

    SCHEMA: ClassVar[Schema]
    """Of every class whose values are digested."""

    @cached_property
    def digest(self) -> str:
        """12 hex digits over the canonical JSON of every field that is set."""
        return self._digest_without()

    def stored(self) -> dict[str, object]:
        """Return the value as JSON, under the names of its schema."""
        return self.model_dump(mode="json")

    def _digest_without(self, *fields: str) -> str:
        return digest_of(self.SCHEMA, self.model_dump(mode="json", exclude=set(fields)))


def by_field_names(
    given: Mapping[str, object], model: type[BaseModel], under: str = ""
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Give data of a model the names that its fields have in the code.

    Args:
        given: data under stored names, names of fields, or some of either; not checked otherwise.
        model: of which they are.
        under: the path to ``given``, with a dot behind it.

    Returns:
        The data, and the paths that were renamed, each as it was and as it is now.

    Raises:
        ConfigError: a field is given under both of its names.
    """
    fields = {
        field.validation_alias: name
        for name, field in model.model_fields.items()
        if isinstance(field.validation_alias, str)
    }
    renamed, paths = dict[str, object](), list[tuple[str, str]]()
    for key, value in given.items():
        name = fields.get(key, key)
        if name != key:
            if name in given:
                raise ConfigError(
                    f"'{under}{key}' and '{under}{name}' are two names of one key",
                    fix="keep the latter",
                )
            paths.append((f"{under}{key}", f"{under}{name}"))
        part = model.model_fields.get(name)
        inner = next(models_in(part.annotation), None) if part else None
        if inner and is_mapping(value):
            value, below = by_field_names(value, inner, f"{under}{name}.")
            paths += below
        renamed[name] = value
    return renamed, paths


def key_of(table: Callable[[], Mapping[str, object]]) -> AfterValidator:
    """Annotate a text that is a key of a table, which is looked at when a value is read."""

    def known(name: str) -> str:
        if name not in table():
            raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, table()))})
        return name

    return AfterValidator(known)


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that a field's annotation names, at any depth of its unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)
