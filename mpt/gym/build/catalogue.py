"""The 160 tasks of CrossFit (Ye et al., 2021) as cards, read from ``data/cards.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from mpt.errors import ConfigError, InputError, UnknownName
from mpt.gym.build.cards import Card

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def read_card(task: str, fields: Mapping[str, object]) -> Card:
    """Return a validated card from plain data.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an unknown metric, transform or
            procedure; one line that begins with the card's name.
    """
    from pydantic import ValidationError

    try:
        return Card.model_validate({"task": task, **fields})
    except ValidationError as error:
        raise ConfigError(f"card {task!r}: {one_line(error.errors())}") from None
    except InputError as error:
        raise ConfigError(f"card {task!r}: {error}") from None


@cache
def cards() -> Mapping[str, Card]:
    """Return every task of CrossFit by name, in alphabetical order; read and validated once."""
    text = files("mpt.gym").joinpath("data/cards.json").read_text(encoding="utf-8")
    return MappingProxyType(
        {name: read_card(name, fields) for name, fields in sorted(json.loads(text).items())}
    )


def card(task: str) -> Card:
    """Return the card of ``task``. Raises ``UnknownName``."""
    try:
        return cards()[task]
    except KeyError:
        raise UnknownName("task", task, cards(), "See `mpt gym list`.") from None


def one_line(problems: Sequence[ErrorDetails]) -> str:
    """Return at most three of pydantic's problems on one line.

    For example ``source.hubb: unknown field; shots: input should be greater than 0``.
    """
    lines = []
    for problem in problems[:3]:
        place = ".".join(str(part) for part in problem["loc"]) or "card"
        message = problem["msg"].removeprefix("Value error, ")
        what = {"extra_forbidden": "unknown field", "missing": "missing field"}.get(
            problem["type"], message[:1].lower() + message[1:]
        )
        lines.append(f"{place}: {what}")
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return "; ".join(lines) + more
