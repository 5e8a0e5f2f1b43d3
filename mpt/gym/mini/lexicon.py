"""The words of the mini world, read once from ``lexicon.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from random import Random
from typing import Literal, TypeVar

from mpt.errors import UnknownName

Half = Literal["public", "private"]
"""Which half of the words and sentence forms: ``private`` is the one of target tasks alone."""

UNDIVIDED = frozenset({"days", "numbers", "times", "adverbs", "sizes", "synonyms"})
"""Classes that are too small to be halved, or needed whole."""

Entry = TypeVar("Entry")


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    text = (files("mpt.gym.mini") / "lexicon.txt").read_text(encoding="utf-8")
    entries = (line.partition(":") for line in text.splitlines() if line and line[0] != "#")
    return {name: tuple(words.split()) for name, _, words in entries}


_SIZE: ContextVar[int | None] = ContextVar("size", default=None)
_HALF: ContextVar[Half | None] = ContextVar("half", default=None)


@contextmanager
def small_world(size: int | None) -> Iterator[None]:
    """Restrict every class to its first ``size`` words (4 or more; None: all) in a context.

    In a small world, a skill that compares words of any kind can be learned from few pairs.
    """
    token = _SIZE.set(size)
    try:
        yield
    finally:
        _SIZE.reset(token)


@contextmanager
def half_world(half: Half | None) -> Iterator[None]:
    """Restrict words, records and sentence forms to one half of each in a context (None: all)."""
    token = _HALF.set(half)
    try:
        yield
    finally:
        _HALF.reset(token)


def pick(rng: Random, forms: Sequence[Entry]) -> Entry:
    """Draw one of several ways to say something, of the context's half."""
    half = _HALF.get()
    return rng.choice(forms if half is None or len(forms) < 2 else forms[half == "private" :: 2])


def words(name: str) -> Sequence[str]:
    """Return the words of a class, e.g. ``words("animal")``. Raises ``UnknownName``."""
    try:
        return _within(name, _lexicon()[name])
    except KeyError:
        raise UnknownName("word class", name, _lexicon()) from None


def records(name: str) -> Sequence[tuple[str, ...]]:
    """Return the records of a class: ``records("capitals")`` is ``(("france", "paris"), ...)``."""
    return _within(name, _records(name))


def _within(name: str, entries: Sequence[Entry]) -> Sequence[Entry]:
    half = _HALF.get()
    if half and name not in UNDIVIDED:
        flags = _private()[name]
        entries = [
            entry for entry, flag in zip(entries, flags, strict=True) if flag == (half == "private")
        ]
    return entries[: _SIZE.get()]


@cache
def _private() -> dict[str, list[bool]]:
    """Tell for every entry of every divided class whether it is private.

    A word has one half wherever it occurs: the first class that holds it decides, and entries
    without a decided word go to the half that has fewer.
    """
    decided: dict[str, bool] = {}
    flags: dict[str, list[bool]] = {}
    for name, entries in _lexicon().items():
        row = flags[name] = []
        for entry in entries if name not in UNDIVIDED else ():
            parts = entry.split("/")
            fewer = 2 * sum(row) < len(row)
            row.append(next((decided[part] for part in parts if part in decided), fewer))
            for part in parts:
                decided.setdefault(part, row[-1])
    return flags


@cache
def _records(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(word.split("/")) for word in _lexicon()[name])


def every_word() -> Iterator[str]:
    """Yield each word of the world, with repetition, in the order of the file."""
    for entry in _lexicon().values():
        for word in entry:
            yield from word.split("/")


def fill(rng: Random, template: str) -> str:
    """Return ``template`` with each ``{class}`` replaced by a word of that class."""
    if "{" not in template:
        return template
    pieces = []
    for piece in template.split("{"):
        name, brace, rest = piece.partition("}")
        pieces.append(rng.choice(words(name)) + rest if brace else piece)
    return "".join(pieces)
