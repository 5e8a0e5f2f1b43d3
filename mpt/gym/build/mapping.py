"""Rows of one split -> lines (input text, target text), by a card.

Order matters: rows are never sorted, shuffled or deduplicated here, and a skipped row draws no
random number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from mpt.errors import DataError, some
from mpt.gym.build.cards import (
    AnswerList,
    Bins,
    Card,
    Condition,
    LabelMap,
    LettersAt,
    LettersEach,
    Options,
    RowGroup,
)
from mpt.gym.build.procedures import PROCEDURES
from mpt.gym.build.template import Path, Row, Template
from mpt.gym.build.transforms import Step, as_integer, as_list, as_text, join

Line = tuple[str, str]
"""Input text and target text, as in the TSV file before and after the first TAB."""

Made = TypeVar("Made")

RowError = Callable[[int, Exception], DataError]
"""``row_error(number, cause)``: the error that names the row."""

_CAUSES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""The errors that Python raises if a row does not have the form that a card was written for."""


def map_rows(card: Card, rows: Iterable[Row], split: str) -> Iterator[Line]:
    """Yield the lines of ``split``, one at a time and in order.

    Raises:
        DataError: a row that the card cannot turn into a line; names task, split, row and reason.
    """

    def row_error(number: int, cause: Exception) -> DataError:
        return DataError(
            f"{card.task}: split {split!r}, row {number}: {cause}",
            fix=(
                "the card was written for "
                f"the rows of {card.source.dataset!r}: use that data set, or change the card"
            ),
        )

    return (line for _, line in numbered_lines(card, rows, row_error))


def numbered_lines(
    card: Card, rows: Iterable[Row], row_error: RowError
) -> Iterator[tuple[int, Line]]:
    """Yield lines like ``map_rows``, each with the number of its row, counted from 0.

    Args:
        card: how rows become lines.
        rows: in order.
        row_error: makes the error for a row that the card cannot turn into a line.
    """

    def read(number: int, make: Callable[..., Made], *arguments: object) -> Made:
        try:
            return make(*arguments)
        except _CAUSES as cause:
            raise row_error(number, cause) from None

    seed = card.procedure.get("seed") if card.procedure else None
    rng = np.random.RandomState(seed if isinstance(seed, int) else 0)
    kept = ((at, row) for at, row in enumerate(rows) if read(at, _keeps, card, row))
    if card.group is not None:
        kept = _grouped(card, card.group, kept, read)
    for number, row in kept:
        line = read(number, line_of, card, row, rng)
        if line is not None:
            yield number, line


def line_of(card: Card, row: Row, rng: np.random.RandomState) -> Line | None:
    """Make one row's line; None if the card drops the row. Raises ``ValueError``, ``TypeError``."""
    if card.procedure is not None:
        computed = PROCEDURES[str(card.procedure["name"])].run(row, card.procedure, rng)
        if computed is None:
            return None
        row = {**row, **computed}
    if card.options is not None:
        row = {**row, **_options(card.options, row)}
    target = _target(card, row)
    return None if target is None else (_input(card, row), target)


def _input(card: Card, row: Row) -> str:
    text = Template.parse(card.input)(row)
    return as_text(_steps(card.input_post, text, row))


def _steps(steps: Sequence[str], value: object, row: Row) -> object:
    for step in steps:
        value = Step.parse(step)(value, lambda column: Path.parse(column)(row))
    return value


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "in": lambda value, wanted: value in wanted,
    "nonempty": lambda value, wanted: value != "",
    "is_integer": lambda value, wanted: float(value).is_integer(),
    "not_startswith": lambda value, wanted: not as_text(value).startswith(wanted),
    "not_contains": lambda value, wanted: wanted not in as_text(value),
}

_ORDERED = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "in"))
"""Operators that need two values of one type."""


def _keeps(card: Card, row: Row) -> bool:
    for condition in card.keep:
        value = _steps(condition.via, Path.parse(condition.path)(row), row)
        if not _COMPARE[condition.op](value, _comparable(condition, value)):
            return False
    return True


def _comparable(condition: Condition, value: object) -> object:
    """Return what a row's value is compared with. Raises ``ValueError`` if their types differ."""
    wanted, number = condition.value, (bool, int, float)
    if condition.op in _ORDERED and value is not None and wanted is not None:
        texts = isinstance(wanted, str | tuple)
        if isinstance(value, str) is not texts and isinstance(value, (str, *number)):
            kinds = ("number", "text") if texts else ("text", "number")
            raise ValueError(
                f"{condition.path!r} is the {kinds[0]} {value!r:.40} and `keep` compares it with "
                f"the {kinds[1]} {wanted!r}; write texts in quotes and numbers without, or turn a "
                "text into a number with `via: [int]`"
            )
    return wanted


def _grouped(
    card: Card, group: RowGroup, rows: Iterable[tuple[int, Row]], read: Callable[..., object]
) -> Iterator[tuple[int, Row]]:
    """Merge rows with equal keys at the position of the first; all are kept in memory."""
    members: dict[object, list[tuple[int, Row]]] = {}
    for number, row in rows:
        key = read(number, _key, card, group, row)
        members.setdefault(key, []).append((number, row))
    for same in members.values():
        number, first = same[0]
        lists = {column: [row[column] for _, row in same] for column in group.collect}
        yield number, {**first, **lists}


def _key(card: Card, group: RowGroup, row: Row) -> object:
    key = _input(card, row) if group.by == "$input" else Path.parse(group.by)(row)
    hash(key)
    return key


def _options(options: Options, row: Row) -> Mapping[str, str]:
    """Return ``$options``, and ``$answer`` if the card says which option is right."""
    if isinstance(options.items, str):
        items = as_list(Path.parse(options.items)(row))
    else:
        items = [Path.parse(path)(row) for path in options.items]
    letters = _letters(options, items, row)
    show = Template.parse(options.show)
    shown = (
        show({**row, "$letter": letter, "$item": item})
        for letter, item in zip(letters, items, strict=True)
    )
    values = {"$options": "".join(shown)}
    if options.answer is not None:
        chosen = items[_chosen(options, letters, row)]
        values["$answer"] = Template.parse(options.say)({**row, "$item": chosen})
    return values


def _letters(options: Options, items: Sequence[object], row: Row) -> list[str]:
    if isinstance(options.letters, LettersAt):
        letters = as_list(Path.parse(options.letters.path)(row))
        if len(letters) < len(items):
            raise ValueError(f"{len(items)} options with {len(letters)} letters")
        return [as_text(letter) for letter in letters[: len(items)]]
    if isinstance(options.letters, LettersEach):
        each = Template.parse(options.letters.each)
        return [each({**row, "$item": item}) for item in items]
    return [chr(ord("A") + at) for at in range(len(items))]


def _chosen(options: Options, letters: Sequence[str], row: Row) -> int:
    """Return the number of the right option, counted from 0."""
    assert options.answer is not None
    value = Path.parse(options.answer.path)(row)
    if options.answer.by == "index":
        at = as_integer(value) + options.answer.add
        if not 0 <= at < len(letters):
            raise ValueError(f"option number {value!r} is not one of the {len(letters)} options")
        return at
    matches = [at for at, letter in enumerate(letters) if letter == value]
    if not matches:
        raise ValueError(f"option letter {value!r} is none of {', '.join(letters)}")
    return matches[-1]


def _target(card: Card, row: Row) -> str | None:
    target = card.target
    if isinstance(target, LabelMap):
        value = Path.parse(target.path)(row)
        return target.map[_label(target, value)]
    if isinstance(target, Bins):
        return _binned(target, Path.parse(target.path)(row))
    if isinstance(target, AnswerList):
        return _answers(target, row)
    return Template.parse(target.template)(row)


def _label(target: LabelMap, value: object) -> str:
    """Return the map's key for a class: the text itself, else the number that it spells."""
    if value is None or value == "":
        raise ValueError(f"the label at {target.path!r} is missing")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text in target.map:
        return text
    try:
        label = str(as_integer(value))
    except ValueError:
        label = repr(value)
    if label not in target.map:
        raise ValueError(f"label {label} at {target.path!r} is none of {some(target.map)}")
    return label


def _binned(target: Bins, value: object) -> str | None:
    for bin_ in target.bins:
        if _COMPARE[bin_.op](value, bin_.value):
            return bin_.text
    return None


def _answers(target: AnswerList, row: Row) -> str:
    value = Path.parse(target.path)(row)
    if target.take == "keys":
        if not isinstance(value, Mapping):
            raise ValueError(f"{target.path!r} is no record, so it has no keys to take")
        value = list(value)
    texts = as_list(value)
    if target.where is not None:
        flags = as_list(Path.parse(target.where.path)(row))
        wanted = target.where.equals
        texts = [text for text, flag in zip(texts, flags, strict=True) if flag == wanted]
    if not texts and target.if_none is not None:
        return target.if_none
    answers = [as_text(text) for text in texts]
    if target.drop_empty:
        answers = [text for text in answers if text]
    if target.dedupe is not None:
        answers = (
            sorted(set(answers)) if target.dedupe == "sorted_set" else list(dict.fromkeys(answers))
        )
    return join([_steps(target.each, text, row) for text in answers], target.join)
