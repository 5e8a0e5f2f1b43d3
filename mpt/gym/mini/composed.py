"""Combined skills: the backbone was pretrained on the parts but never on the combination."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item
from mpt.gym.mini.language import entailment
from mpt.gym.mini.lexicon import records, words
from mpt.gym.mini.questions import odd_one, story
from mpt.gym.mini.subjects import KINDS
from mpt.gym.mini.writing import headline, opposite, restaurant, slot, statement_to_question


def _first(text: str, name: str) -> str:
    """Return the first word of ``text`` that belongs to a class."""
    return next(word for word in text.split() if word in words(name))


def city_and_day(rng: Random) -> Item:
    """Draw a request to an assistant; the answer is its city and its day."""
    item = slot("city")(rng)
    return Item(item.text, f"{item.answer} {_first(item.text, 'days')}", item.other)


def room_and_colour(rng: Random) -> Item:
    """Draw a story of two people; the answer is the room and the colour of the thing ``other``."""
    item = story("colour")(rng)
    sentence = next(
        part for part in item.text.split(" . ") if item.other.split()[-1] in part.split()
    )
    return Item(item.text, f"{_first(sentence, 'rooms')} {item.answer}", item.other)


def contrary_sentence(rng: Random) -> Item:
    """Draw a description; the answer is the description with the opposite adjective."""
    item = opposite(rng)
    pair = next(p for p in records("opposites") if item.answer in p)
    word = pair[0] if item.answer == pair[1] else pair[1]
    changed = " ".join(item.answer if w == word else w for w in item.text.split(" "))
    return Item(item.text, changed)


def negation(rng: Random) -> Item:
    """Draw a statement; the answer is its negation."""
    item = statement_to_question(rng)
    who, _, place = item.text.partition(" is ")
    return Item(item.text, f"{who} is not {place}")


def passive_headline(rng: Random) -> Item:
    """Draw a report; the answer is its core in the passive voice."""
    item = headline(rng)
    who, third, thing, _, city = item.answer.split(" ")
    done = next(verb[3] for verb in records("verbs") if verb[1] == third)
    return Item(item.text, f"{thing} {done} by {who} in {city}")


def advert(rng: Random) -> Item:
    """Draw the slots of a restaurant; the answer is a line that invites people to it."""
    item = restaurant(rng)
    place, _, price, dish, _, _, _, area = item.answer.split(" ")
    return Item(item.text, f"visit the {area} for {price} {dish} food at {place}")


def not_of_kind(rng: Random) -> Item:
    """Draw four things, three of them of the kind ``other``; the answer is the fourth."""
    item = odd_one(rng)
    alike = next(thing for thing in item.options if thing != item.answer)
    kind = next(kind for kind in KINDS if alike in words(kind))
    return Item(item.text, item.answer, kind, item.options)


def restated(rng: Random) -> Item:
    """Draw a scene and a sentence; the answer is ``same`` if the scene implies the sentence."""
    item = entailment(rng)
    answer = "same" if item.answer == "yes" else "different"
    return Item(item.text, answer, item.other)
