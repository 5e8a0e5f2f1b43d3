"""Paths into a row, and templates made of them: ``"question: {question|nl} [SEP] {$options}"``.

A row is a mapping from column to value; computed values stand beside the columns under names that
start with ``$``. Nothing is trimmed: a blank in a template is a blank in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mpt.gym.build.transforms import Step, as_list, as_text

Row = Mapping[str, object]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands in a row.

    ``a.b`` is field b of record a, ``x.0`` element 0 of list x, ``x[]`` every element of x: what
    follows applies to each, the results form one flat list (``x[][]`` flattens two levels). A list
    of records and a record of parallel lists are read alike.
    """

    text: str
    keys: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Path:
        """The path that ``text`` spells. Raises ``ValueError`` for an empty step."""
        keys: list[str] = []
        for part in text.split("."):
            name = part.rstrip("[]")
            if not name or "[" in name or part != name + "[]" * ((len(part) - len(name)) // 2):
                raise ValueError(f"path {text!r} is not of the form a.b, a.0 or a[].b")
            keys += [name] + ["[]"] * ((len(part) - len(name)) // 2)
        return Path(text, tuple(keys))

    @property
    def column(self) -> str:
        """The top-level column (or ``$`` name) that the path starts from."""
        return self.keys[0]

    def __call__(self, row: Row) -> object:
        """The value in ``row``. Raises ``ValueError`` where the row has no such field."""
        try:
            return row[self.text] if len(self.keys) == 1 else _walk(row, self.keys)
        except (KeyError, IndexError) as missing:
            raise ValueError(f"path {self.text!r} finds no {missing.args[0]!r} here") from None


def _walk(value: object, keys: Sequence[str]) -> object:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if key == "[]":
        return _each(value, rest)
    if isinstance(value, Mapping):
        return _walk(value[key], rest)
    items = as_list(value)
    if key.isdecimal():
        if int(key) >= len(items):
            raise IndexError(f"element {key} in a list of {len(items)}")
        return _walk(items[int(key)], rest)
    return _walk([_walk(item, (key,)) for item in items], rest)


def _each(value: object, rest: Sequence[str]) -> list[object]:
    if isinstance(value, Mapping):  # a record of parallel lists: x[].y is the list x.y
        if not rest:
            raise KeyError("field after []")
        value, rest = value[rest[0]], rest[1:]
    found: list[object] = []
    for item in as_list(value):
        result = _walk(item, rest)
        if "[]" in rest:
            found.extend(as_list(result))
        else:
            found.append(result)
    return found


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``{path|transform|transform}``: the value at the path, transformed left to right."""

    path: Path
    steps: tuple[Step, ...]

    @staticmethod
    def parse(text: str) -> Placeholder:
        """Raises ``UnknownName`` for an unknown transform, ``ValueError`` for a wrong path."""
        path, *steps = text.split("|")
        return Placeholder(Path.parse(path), tuple(Step.parse(step) for step in steps))

    def __call__(self, row: Row) -> str:
        """The text that stands in for the placeholder."""
        value = self.path(row)
        for step in self.steps:
            value = step(value, lambda column: Path.parse(column)(row))
        return as_text(value)


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and placeholders in turn."""

    text: str
    pieces: tuple[str | Placeholder, ...]

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Template:
        """The template that ``text`` spells.

        Raises:
            UnknownName: an unknown transform.
            ValueError: a brace outside a placeholder, an empty path.
        """
        pieces: list[str | Placeholder] = []
        for at, piece in enumerate(_PLACEHOLDER.split(text)):
            if at % 2:
                pieces.append(Placeholder.parse(piece))
            elif "{" in piece or "}" in piece:
                raise ValueError(f"template {text!r} has a brace outside a placeholder")
            elif piece:
                pieces.append(piece)
        return Template(text, tuple(pieces))

    @property
    def columns(self) -> frozenset[str]:
        """Top-level columns and ``$`` names that the template reads (transforms' own included)."""
        found = set()
        for piece in self.pieces:
            if isinstance(piece, Placeholder):
                found.add(piece.path.column)
                for step in piece.steps:
                    if step.name in ("put_subject", "span"):
                        found |= {Path.parse(argument).column for argument in step.arguments}
        return frozenset(found)

    def __call__(self, row: Row) -> str:
        """The rendered text. Raises ``ValueError`` naming the path that cannot be rendered."""
        return "".join(piece if isinstance(piece, str) else piece(row) for piece in self.pieces)
