"""Skills in combination: what the backbone knows in parts but was never asked for in one go."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item
from mpt.gym.mini.lexicon import records, words
from mpt.gym.mini.questions import story
from mpt.gym.mini.writing import opposite, slot, statement_to_question


def _found(text: str, name: str) -> str:
    """The first word of ``text`` that belongs to a class."""
    return next(word for word in text.split() if word in words(name))


def city_and_day(rng: Random) -> Item:
    """A request to an assistant; the answer is its city and its day."""
    item = slot("city")(rng)
    return Item(item.text, f"{item.answer} {_found(item.text, 'days')}", item.other)


def room_and_colour(rng: Random) -> Item:
    """A story of two people; the answer is the room and the colour of a thing (``other``)."""
    item = story("colour")(rng)
    told = next(part for part in item.text.split(" . ") if item.other.split()[-1] in part.split())
    return Item(item.text, f"{_found(told, 'rooms')} {item.answer}", item.other)


def contrary_sentence(rng: Random) -> Item:
    """A description; the answer is the description with the opposite adjective."""
    item = opposite(rng)
    pair = next(p for p in records("opposites") if item.answer in p)
    word = pair[0] if item.answer == pair[1] else pair[1]
    said = " ".join(item.answer if w == word else w for w in item.text.split(" "))
    return Item(item.text, said)


def negation(rng: Random) -> Item:
    """A statement; the answer is its negation."""
    item = statement_to_question(rng)
    who, _, place = item.text.partition(" is ")
    return Item(item.text, f"{who} is not {place}")
