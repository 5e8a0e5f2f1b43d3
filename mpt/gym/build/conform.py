"""Rows of a newer copy -> rows in the layout of the card: columns, class ids, order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

from mpt.errors import DataError
from mpt.gym.build.card_source import Restore
from mpt.gym.build.cards import Card, LabelMap
from mpt.gym.build.rows import SplitRows
from mpt.gym.build.template import Path, Row
from mpt.gym.build.transforms import as_text


def conform(card: Card, split: str, table: SplitRows) -> Iterator[Row]:
    """Convert the rows of ``table`` to the official layout of 2021.

    Newer columns are renamed, class ids re-mapped by name, and the official order is restored
    (``restore``). Official rows pass unchanged.

    Raises:
        DataError: a missing column, a label set that lacks an official class, a row that
            ``restore`` cannot place.
    """
    rows, columns = table.rows, set(table.columns)
    newer = card.source.alternate_layout
    if newer is not None and not set(card.source.columns) <= columns:
        columns = {newer.rename.get(column, column) for column in columns}
        rows = _renamed(card, rows, table)
    missing = sorted(set(card.source.columns) - columns)
    if missing and (table.columns or table.count):
        raise DataError(
            f"{card.task}: {table.origin} has no column {', '.join(map(repr, missing))}",
            fix=(
                "it has "
                f"{', '.join(table.columns)}: take the data set {card.source.dataset!r} as of 2021"
            ),
        )
    for column, official in card.source.class_names.items():
        if column in table.columns:
            rows = _reclassed(card, rows, column, official, table)
    return _restored(card, split, rows) if card.source.restore else rows


def _renamed(card: Card, rows: Iterator[Row], table: SplitRows) -> Iterator[Row]:
    """Give newer columns their official names; re-map class ids through their texts."""
    newer, target = card.source.alternate_layout, card.target
    assert newer is not None
    assert isinstance(target, LabelMap)
    column = next(new for new, old in newer.rename.items() if old == target.path)
    names = table.class_names.get(column, newer.class_names)
    _same_labels(card, table, column, names, newer.class_names)
    official = {text: int(label) for label, text in target.map.items()}
    ids = {at: official[newer.name_to_text[name]] for at, name in enumerate(newer.class_names)}
    if names != newer.class_names:
        ids = {at: ids[newer.class_names.index(name)] for at, name in enumerate(names)}

    def rename(row: Row) -> Row:
        renamed = {newer.rename.get(column, column): value for column, value in row.items()}
        label = renamed[target.path]
        return {**renamed, target.path: ids.get(label, label) if isinstance(label, int) else label}

    return map(rename, rows)


def _reclassed(
    card: Card, rows: Iterator[Row], column: str, official: Sequence[str], table: SplitRows
) -> Iterator[Row]:
    """Number the classes of ``column`` as the official source does; texts become ids."""
    names = _spelt(table.class_names.get(column, ()), official)
    nameless = all(name == str(at) for at, name in enumerate(names))
    if not nameless:
        _same_labels(card, table, column, names, official)
    place = {name: at for at, name in enumerate(official)}
    for name in names:
        place.setdefault(name, len(place))
    moved = {} if nameless else {at: place[name] for at, name in enumerate(names)}

    def reclass(row: Row) -> Row:
        value = row[column]
        if isinstance(value, str) and value in place:
            return {**row, column: place[value]}
        if isinstance(value, int):
            return {**row, column: moved.get(value, value)}
        return row

    return rows if tuple(names) == tuple(official) else map(reclass, rows)


def _spelt(names: Sequence[str], official: Sequence[str]) -> tuple[str, ...]:
    """Return names in their official spelling if only case, ``_``, ``-`` or blanks differ."""
    plain = {_plain(name): name for name in official}
    return tuple(plain.get(_plain(name), name) for name in names)


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")


def _same_labels(
    card: Card, table: SplitRows, column: str, names: Sequence[str], official: Sequence[str]
) -> None:
    missing = [name for name in official if name not in names]
    if missing:
        raise DataError(
            f"{card.task}: the label set of {column!r} in {table.origin} has changed: it has "
            f"{', '.join(names)} and lacks {', '.join(missing)}",
            fix=(f"take the data set {card.source.dataset!r} as of 2021"),
        )


def _restored(card: Card, split: str, rows: Iterator[Row]) -> Iterator[Row]:
    restore = card.source.restore
    assert restore is not None
    for path in restore.strip:
        rows = _stripped_rows(rows, Path.parse(path).keys)
    if not (restore.stable_sort_by or restore.group_order):
        return rows
    placed = []
    for number, row in enumerate(rows):
        try:
            placed.append((_place(restore, row), row))
        except ValueError as error:
            raise DataError(
                f"{card.task}: split {split!r}, row {number}: {error}",
                fix=(
                    "the rows cannot be put into their official order: take the data set as of 2021"
                ),
            ) from None
    placed.sort(key=itemgetter(0))
    return (row for _, row in placed)


def _place(restore: Restore, row: Row) -> tuple[int, str]:
    """Return the sort key of a row; Python's sort is stable. Raises ``ValueError``."""
    at, text = 0, ""
    if restore.group_order is not None:
        value = as_text(Path.parse(restore.group_order.column)(row))
        if value not in restore.group_order.values:
            raise ValueError(f"{restore.group_order.column!r} is {value!r}, an unknown group")
        at = restore.group_order.values.index(value)
    if restore.stable_sort_by is not None:
        text = as_text(Path.parse(restore.stable_sort_by)(row))
    return at, text


def _stripped_rows(rows: Iterator[Row], keys: Sequence[str]) -> Iterator[Row]:
    for row in rows:
        yield {**row, keys[0]: _stripped(row[keys[0]], keys[1:])}


def _stripped(value: object, keys: Sequence[str]) -> object:
    """Strip the text, or every text of the list, at ``keys``."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_stripped(item, keys) for item in value]
    if isinstance(value, Mapping) and keys:
        return {**value, keys[0]: _stripped(value[keys[0]], keys[1:])}
    return value
