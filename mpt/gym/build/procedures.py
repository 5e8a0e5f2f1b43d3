"""The eight computations that a declarative card cannot express, as small named functions.

Each takes a row and the card's fields and returns ``$`` values, or None to drop the row. Two draw
random numbers from NumPy's legacy generator, seeded once per mapped split: their draws are part of
the official files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from mpt.errors import ConfigError
from mpt.gym.build.template import Path, Row
from mpt.gym.build.transforms import as_integer, as_list, as_text

Fields = Mapping[str, str | int | tuple[str, ...]]
Computed = Mapping[str, object] | None
Run = Callable[[Row, Fields, np.random.RandomState], Computed]


@dataclass(frozen=True, slots=True)
class Procedure:
    """A function and the fields that a card must give it (``name`` aside)."""

    run: Run
    fields: tuple[str, ...]

    def check(self, fields: Fields) -> None:
        """Raise ``ConfigError`` unless exactly the wanted fields are given."""
        wanted, names = {"name", *self.fields}, set(fields)
        if wanted != names:
            raise ConfigError(
                f"procedure {fields.get('name')!r} takes the fields {sorted(wanted)}, "
                f"the card gives {sorted(names)}"
            )


def _at(row: Row, fields: Fields, name: str) -> object:
    return Path.parse(cast(str, fields[name]))(row)


def pair_coin(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Put a good and a bad sentence in random order; ``$label`` is 0 if the good one is first."""
    good, bad = _at(row, fields, "a"), _at(row, fields, "b")
    if rng.random_sample() > 0.5:
        return {"$first": good, "$second": bad, "$label": 0}
    return {"$first": bad, "$second": good, "$label": 1}


def sciq_shuffle(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return the four options in random order as ``$items``."""
    items = [Path.parse(path)(row) for path in cast(Sequence[str], fields["items"])]
    order = np.arange(len(items))
    rng.shuffle(order)
    return {"$items": [items[at] for at in order]}


_TAGS = {"acronym": (1, 3), "full_name": (0, 2)}
"""Tag ids of the first token and of the following ones: short form, long form."""


def acronym_tags(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return ``$acronym`` and ``$full_name`` of a sentence with exactly one of each."""
    tokens = [as_text(token) for token in as_list(_at(row, fields, "tokens"))]
    tags = as_list(_at(row, fields, "tags"))
    names = {}
    for kind, (first, inside) in _TAGS.items():
        if tags.count(first) != 1:
            return None
        start = end = tags.index(first)
        while end + 1 < len(tags) and tags[end + 1] == inside:
            end += 1
        names[f"${kind}"] = " ".join(tokens[start : end + 1])
    return names


def majority_label(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return the class with the most votes as ``$label``; a tie drops the row."""
    votes = Counter(as_integer(vote) for vote in as_list(_at(row, fields, "votes")))
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return {"$label": ranked[0][0]}


def hotpot_support(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return as ``$context`` the paragraphs whose titles support the answer, in their order."""
    support = set(as_list(Path.parse("supporting_facts.title")(row)))
    titles = as_list(Path.parse("context.title")(row))
    paragraphs = as_list(Path.parse("context.sentences")(row))
    text = ""
    for title, sentences in zip(titles, paragraphs, strict=True):
        if title in support:
            text += "".join(as_text(sentence) for sentence in as_list(sentences)) + " "
    return {"$context": text.strip()}


def quarel_answer(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return as ``$answer`` the text of option (A) or (B), cut out of the question."""
    text = as_text(_at(row, fields, "text"))
    first, second = text.find("(A)"), text.find("(B)")
    index = as_integer(_at(row, fields, "index"))
    cut = text[first + 4 : second] if index == 0 else text[second + 4 :]
    return {"$answer": cut.removesuffix("or ").strip()}


def math_qa_options(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return ``$options`` and ``$answer`` from one text of five options.

    The text is cut at every comma, including thousands separators, as in the official files. A row
    whose answer becomes empty is dropped.
    """
    pieces = as_text(_at(row, fields, "options")).split(",")
    if len(pieces) < 5:
        raise ValueError(f"{len(pieces)} options where five are needed: {','.join(pieces)[:60]!r}")
    a, b, c, d, e = pieces[:5]
    cut = {"a": a[4:-1], "b": b[5:-1], "c": c[5:-1], "d": d[5:-1], "e": e[5:]}
    correct = as_text(_at(row, fields, "correct"))
    if correct not in cut:
        raise ValueError(f"the correct option is {correct!r}, not one of a, b, c, d, e")
    if not cut[correct]:
        return None
    shown = "".join(f" ({letter.upper()}) {text}" for letter, text in cut.items())
    return {"$options": shown, "$answer": cut[correct]}


def wiki_bio_table(row: Row, fields: Fields, rng: np.random.RandomState) -> Computed:
    """Return as ``$table`` a ``header: content [n] `` per line; a ragged table drops the row."""
    headers = as_list(_at(row, fields, "header"))
    contents = as_list(_at(row, fields, "content"))
    if len(headers) != len(contents):
        return None
    lines = (
        f"{as_text(header)}: {as_text(content).strip().replace(chr(10), ' ')} [n] "
        for header, content in zip(headers, contents, strict=True)
    )
    return {"$table": "".join(lines)}


PROCEDURES: Mapping[str, Procedure] = {
    "pair_coin": Procedure(pair_coin, ("seed", "a", "b")),
    "sciq_shuffle": Procedure(sciq_shuffle, ("seed", "items")),
    "acronym_tags": Procedure(acronym_tags, ("tokens", "tags")),
    "majority_label": Procedure(majority_label, ("votes",)),
    "hotpot_support": Procedure(hotpot_support, ()),
    "quarel_answer": Procedure(quarel_answer, ("text", "index")),
    "math_qa_options": Procedure(math_qa_options, ("options", "correct")),
    "wiki_bio_table": Procedure(wiki_bio_table, ("header", "content")),
}
"""Every procedure that a card may name."""
