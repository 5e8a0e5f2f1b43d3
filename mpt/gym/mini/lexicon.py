"""The words of the mini world, read once from ``lexicon.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

from mpt.errors import UnknownName


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    text = (files("mpt.gym.mini") / "lexicon.txt").read_text(encoding="utf-8")
    entries = (line.partition(":") for line in text.splitlines() if line and line[0] != "#")
    return {name: tuple(words.split()) for name, _, words in entries}


_SIZE: ContextVar[int | None] = ContextVar("size", default=None)


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


def words(name: str) -> tuple[str, ...]:
    """Return the words of a class, e.g. ``words("animal")``. Raises ``UnknownName``."""
    try:
        return _lexicon()[name][: _SIZE.get()]
    except KeyError:
        raise UnknownName("word class", name, _lexicon()) from None


def records(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the records of a class: ``records("capitals")`` is ``(("france", "paris"), ...)``."""
    return _records(name)[: _SIZE.get()]


@cache
def _records(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(word.split("/")) for word in _lexicon()[name])


def every_word() -> Iterator[str]:
    """Yield each word of the world, with repetition, in the order of the file."""
    for entry in _lexicon().values():
        for word in entry:
            yield from word.split("/")
