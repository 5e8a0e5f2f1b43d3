"""Rows made up after the columns of each data set, hostile on purpose, for every card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mpt.gym.build.card_source import OneSplit, OneSplitCounts, Source
from mpt.gym.build.cards import Bins, Card, LabelMap
from mpt.gym.build.rows import SplitRows

SCHEMAS = json.loads((Path(__file__).parent / "gym" / "schemas.json").read_text())

PIECES = (
    "", "a", "the Cat ", "naïve", "☃", "\t", "\n", "\r", "\\n", "  ", " ", "\u2028", "\x85", "\xa0",
    "[X]", "[Y]", "<mask>", "_comma_", "'", '"', "(A) x or (B) y", ".", "12,5", "{b}", "\U0001f600",
)  # fmt: skip


@dataclass(frozen=True)
class HeldRows:
    """A source of rows that are held in memory, by split."""

    held: Mapping[str, list[dict]]
    name: str = "held rows"

    def holds(self, source: Source, split: str) -> bool:
        return split in self.held

    def fingerprint(self, source: Source) -> str:
        return str(sum(map(len, self.held.values())))

    def split(self, source: Source, split: str) -> SplitRows | None:
        if split not in self.held:
            return None
        rows = self.held[split]
        return SplitRows(split, len(rows), source.columns, {}, iter(rows))


def splits_of(card: Card) -> tuple[str, ...]:
    """The splits that the card reads."""
    rule = card.splits
    if isinstance(rule, OneSplit | OneSplitCounts):
        return (rule.origin,)
    return rule.pool, rule.test


def synthetic(card: Card, sizes: Mapping[str, int], seed: int) -> HeldRows:
    """Rows that fit the card, ``sizes[split]`` of each split."""
    draw = Random(f"{card.task} {seed}")
    return HeldRows({split: list(_rows(card, size, draw)) for split, size in sizes.items()})


def _rows(card: Card, size: int, draw: Random) -> Iterator[dict]:
    for number in range(size):
        row = {column: _value(kind, draw) for column, kind in SCHEMAS[card.task].items()}
        _fit(card, row, draw)
        if card.group is not None and card.group.by == "idx.question":
            row["idx"] = {"question": number // 3}
        yield row


def text(draw: Random) -> str:
    return "".join(draw.choices(PIECES, k=draw.randrange(6)))


def _value(kind: object, draw: Random) -> object:
    if isinstance(kind, list):
        return [_value(kind[0], draw) for _ in range(draw.randrange(4))]
    if isinstance(kind, dict) and "class_label" in kind:
        return draw.randrange(len(kind["class_label"]))
    if isinstance(kind, dict) and "sequence" in kind:
        inner, length = kind["sequence"], draw.randrange(4)
        if isinstance(inner, dict) and "class_label" not in inner and "sequence" not in inner:
            return {name: [_value(one, draw) for _ in range(length)] for name, one in inner.items()}
        return [_value(inner, draw) for _ in range(length)]
    if isinstance(kind, dict):
        return {name: _value(one, draw) for name, one in kind.items()}
    if kind == "string":
        return text(draw)
    if kind == "bool":
        return draw.random() < 0.5
    if kind == "float32":
        return draw.choice((0.0, 0.2, 0.5, 1.0, 3.0, 4.5))
    if kind == "map string -> count":
        return {text(draw): draw.randrange(9) for _ in range(draw.randrange(4))}
    assert kind in ("int8", "int16", "int32", "int64"), kind
    return draw.randrange(-1, 9)


def _fit(card: Card, row: dict, draw: Random) -> None:
    """Values that depend on one another: labels, options and answers, tags, tables."""
    target = card.target
    if isinstance(target, LabelMap) and not target.path.startswith("$"):
        row[target.path] = int(draw.choice(list(target.map)))
        if isinstance(SCHEMAS[card.task][target.path], str) and set(target.map) == {"0", "1"}:
            row[target.path] = bool(row[target.path])
    elif isinstance(target, Bins):
        row[target.path] = draw.choice((0.1, 0.2, 0.5, 0.8, 1.0))
    if card.options is not None:
        _fit_options(card, row, draw)
    if card.source.restore is not None and card.source.restore.group_order is not None:
        order = card.source.restore.group_order
        row[order.column] = draw.choice(order.values)
    if card.task in FITTINGS:
        FITTINGS[card.task](row, draw)


def _fit_options(card: Card, row: dict, draw: Random) -> None:
    options = card.options
    assert options is not None
    count = len(options.items) if isinstance(options.items, tuple) else draw.randrange(2, 6)
    letters = [chr(65 + at) for at in range(count)]
    if isinstance(options.items, str) and not options.items.startswith("$"):
        items = [text(draw) for _ in letters]
        column, _, field = options.items.partition(".")
        if card.task == "aqua_rat":
            items = [f"{letter}){item}" for letter, item in zip(letters, items, strict=True)]
        if card.group is None:
            row[column] = {field: items, "label": letters} if field else items
    if options.answer is None:
        return
    if options.answer.by == "letter":
        row[options.answer.path] = draw.choice(letters)
    else:
        at = draw.randrange(count) - options.answer.add
        spelt = SCHEMAS[card.task][options.answer.path] == "string"
        row[options.answer.path] = str(at) if spelt else at


def _acronym(row: dict, draw: Random) -> None:
    tags = [4, 0, 2, 4, 1, 3, draw.choice((1, 3, 4))]
    row["labels"], row["tokens"] = tags, [text(draw) for _ in tags]


def _math(row: dict, draw: Random) -> None:
    row["options"] = "a ) 1 , b ) 2,000 , c ) 3 , d ) 4 , e ) none"
    row["correct"] = draw.choice("abcde")


def _hotpot(row: dict, draw: Random) -> None:
    titles = [text(draw) for _ in range(3)]
    row["context"] = {"title": titles, "sentences": [[text(draw)] * 2 for _ in titles]}
    row["supporting_facts"] = {"title": titles[:1], "sent_id": [0]}


FITTINGS = {
    "acronym_identification": _acronym,
    "math_qa": _math,
    "hotpot_qa": _hotpot,
    "quarel": lambda row, draw: row.update(answer_index=draw.randrange(2)),
    "superglue-record": lambda row, draw: row.update(answers=[text(draw), "b"]),
    "wino_grande": lambda row, draw: row.update(answer=draw.choice(("", "1", "2"))),
    "limit": lambda row, draw: row.update(motion=draw.choice(("yes", "no"))),
    "hatexplain": lambda row, draw: row.update(annotators={"label": [0, draw.randrange(3), 1]}),
}
