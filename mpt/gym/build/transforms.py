"""The named text transforms of task cards, each one line of Python's ``str``.

Positions count code points; Unicode whitespace is that of ``str.split()``. A transform is written
``name`` or ``name:argument``; ``Step.parse`` turns the text into a checked step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from mpt.errors import UnknownName

Lookup = Callable[[str], object]
"""A function that returns the value at a path of the current row; two transforms use it."""

JOINERS: Mapping[str, str] = {
    "SPACE": " ",
    "COMMA": ", ",
    "SEP": " [SEP] ",
    "TAB": "\t",
    "NONE": "",
}
"""Names of the texts that lists are joined with."""

_BREAKS = str.maketrans("\n\r\t", "   ")


@dataclass(frozen=True, slots=True)
class Transform:
    """``apply(value, arguments, lookup)`` and the form of its arguments (a regular expression)."""

    apply: Callable[[object, Sequence[str], Lookup], object]
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One transform with its arguments, as in ``chars:0:2``."""

    name: str
    arguments: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Step:
        """Parse a step. Raises ``UnknownName`` (transform), ``ValueError`` (argument)."""
        name, _, rest = text.partition(":")
        if name not in TRANSFORMS:
            raise UnknownName("transform", name, TRANSFORMS)
        if not re.fullmatch(TRANSFORMS[name].arguments, rest):
            raise ValueError(
                f"transform {text!r} has a wrong argument; "
                f"after {name!r} must come {TRANSFORMS[name].arguments or 'nothing'!r}"
            )
        return Step(name, tuple(rest.split(":")) if rest else ())

    def __call__(self, value: object, lookup: Lookup) -> object:
        """Transform a value. Raises ``ValueError`` if its type does not fit."""
        return TRANSFORMS[self.name].apply(value, self.arguments, lookup)


def as_text(value: object) -> str:
    """Return a text or number as text. Raises ``ValueError`` for null, NaN, a list or a record."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return str(value)
    if isinstance(value, float):
        what = str(value)
    else:
        what = "null" if value is None else f"a {type(value).__name__}"
    raise ValueError(f"{what} stands where a text is needed")


def as_integer(value: object) -> int:
    """Convert a whole number, or a text that spells one, to ``int``. Raises ``ValueError``."""
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value)
    raise ValueError(f"{value!r} stands where a whole number is needed")


def as_list(value: object) -> list[object]:
    """Return a list or tuple as a list. Raises ``ValueError`` for anything else."""
    if isinstance(value, list | tuple):
        return list(value)
    raise ValueError(f"{type(value).__name__} {str(value)[:40]!r} stands where a list is needed")


def join(texts: Sequence[object], joiner: str) -> str:
    """Join the texts with the text that ``joiner`` names in ``JOINERS``."""
    return JOINERS[joiner].join(as_text(text) for text in texts)


def _clean(text: str) -> str:
    return " ".join(text.strip().replace("\n", " ").replace("\\n", " ").split())


def _text_only(rewrite: Callable[[str], str]) -> Transform:
    return Transform(lambda value, arguments, lookup: rewrite(as_text(value)))


def _chars(value: object, arguments: Sequence[str], lookup: Lookup) -> str:
    start, end = (int(at) if at else None for at in arguments)
    return as_text(value)[start:end]


def _span(value: object, arguments: Sequence[str], lookup: Lookup) -> str:
    start, end = (as_integer(lookup(column)) for column in arguments)
    return as_text(value)[start:end]


def _put_subject(value: object, arguments: Sequence[str], lookup: Lookup) -> str:
    return as_text(value).replace("[X]", as_text(lookup(arguments[0])))


def _drop_intermediate(text: str) -> str:
    return text.removeprefix("Intermediate  ")


TRANSFORMS: Mapping[str, Transform] = {
    "strip": _text_only(str.strip),
    "nl": _text_only(lambda text: text.replace("\n", " ")),
    "nrt": _text_only(lambda text: text.translate(_BREAKS)),
    "literal_nl": _text_only(lambda text: text.replace("\\n", " ")),
    "row_marker": _text_only(lambda text: text.replace("\n", " [n] ")),
    "clean": _text_only(_clean),
    "clean_keep_backslash_n": _text_only(lambda text: " ".join(text.split())),
    "comma_word": _text_only(lambda text: text.replace("_comma_", ",")),
    "strip_quote": _text_only(lambda text: text.strip("'")),
    "mask_angle": _text_only(lambda text: text.replace("<mask>", "[MASK]")),
    "put_subject": Transform(_put_subject, r"[^:]+"),
    "mask_object": _text_only(lambda text: text.replace("[Y]", "[MASK]")),
    "drop_intermediate": _text_only(_drop_intermediate),
    "squeeze_lower": _text_only(lambda text: text.replace(" ", "").lower()),
    "join": Transform(
        lambda value, arguments, lookup: join(as_list(value), arguments[0]), "|".join(JOINERS)
    ),
    "chars": Transform(_chars, r"-?\d+:(-?\d+)?"),
    "span": Transform(_span, r"[^:]+:[^:]+"),
    "plus1": Transform(lambda value, arguments, lookup: as_integer(value) + 1),
    "int": Transform(lambda value, arguments, lookup: as_integer(value)),
}
"""Every transform that a card may name."""
