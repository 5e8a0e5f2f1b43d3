"""Paths into a row, and templates made of them: ``"question: {question|nl} [SEP] {$options}"``.

A row is a mapping from column to value; computed values are added to it under names that start
with ``$``. Nothing is trimmed: a blank in a template is a blank in the file.
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
    """The path to a value in a row.

    ``a.b`` is field b of record a, ``x.0`` element 0 of list x, ``x[]`` every element of x: what
    follows applies to each, the results form one flat list (``x[][]`` flattens two levels). A list
    of records and a record of parallel lists are read alike.
    """

    text: str
    keys: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Path:
        """Parse a path. Raises ``ValueError`` for an empty step."""
        keys: list[str] = []
        for part in text.split("."):
            name = part.rstrip("[]")
            if not name or "[" in name or part != name + "[]" * ((len(part) - len(name)) // 2):
                raise ValueError(f"path {text!r} is not of the form a.b, a.0 or a[].b")
            keys += [name] + ["[]"] * ((len(part) - len(name)) // 2)
        return Path(text, tuple(keys))

    @property
    def column(self) -> str:
        """Return the top-level column (or ``$`` name) that the path starts from."""
        return self.keys[0]

    def __call__(self, row: Row) -> object:
        """Return the value in ``row``. Raises ``ValueError`` if the row has no such field."""
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
    values: list[object] = []
    for item in as_list(value):
        result = _walk(item, rest)
        if "[]" in rest:
            values.extend(as_list(result))
        else:
            values.append(result)
    return values


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``{path|transform|transform}``: the value at the path, transformed left to right."""

    path: Path
    steps: tuple[Step, ...]

    @staticmethod
    def parse(text: str) -> Placeholder:
        """Parse a placeholder. Raises ``UnknownName`` (transform), ``ValueError`` (path)."""
        path, *steps = text.split("|")
        return Placeholder(Path.parse(path), tuple(Step.parse(step) for step in steps))

    def __call__(self, row: Row) -> str:
        """Return the text that replaces the placeholder."""
        value = self.path(row)
        for step in self.steps:
            value = step(value, lambda column: Path.parse(column)(row))
        return as_text(value)


@dataclass(frozen=True, slots=True)
class Template:
    """Alternating literal text and placeholders."""

    text: str
    pieces: tuple[str | Placeholder, ...]

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Template:
        """Parse a template.

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
        """Return the columns and ``$`` names that the template reads, also in transforms."""
        columns = set()
        for piece in self.pieces:
            if isinstance(piece, Placeholder):
                columns.add(piece.path.column)
                for step in piece.steps:
                    if step.name in ("put_subject", "span"):
                        columns |= {Path.parse(argument).column for argument in step.arguments}
        return frozenset(columns)

    def __call__(self, row: Row) -> str:
        """Render the template. Raises ``ValueError`` naming a path that cannot be rendered."""
        return "".join(piece if isinstance(piece, str) else piece(row) for piece in self.pieces)
