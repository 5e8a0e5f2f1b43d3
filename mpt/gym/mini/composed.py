"""Combined skills: the backbone was pretrained on the parts but never on the combination."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.language import entailment
from mpt.gym.mini.lexicon import records, words
from mpt.gym.mini.opinions import review
from mpt.gym.mini.questions import odd_one, story
from mpt.gym.mini.subjects import KINDS
from mpt.gym.mini.writing import (
    FIELDS,
    field,
    headline,
    nth,
    opposite,
    restaurant,
    slot,
    statement_to_question,
)


def _first(text: str, name: str) -> str:
    """Return the first word of ``text`` that belongs to a class."""
    return next(word for word in text.split() if word in words(name))


def two_slots(first: str, second: str, joint: str = " ") -> Sampler:
    """Return a sampler of requests to an assistant; the answer is two of its slots."""
    classes = {"person": "names", "day": "days", "city": "cities", "thing": "clothing"}

    def sample(rng: Random) -> Item:
        item = slot(first)(rng)
        return Item(item.text, f"{item.answer}{joint}{_first(item.text, classes[second])}")

    return sample


def two_fields(first: str, second: str) -> Sampler:
    """Return a sampler of records of four fields; the answer is the values of two of them."""

    def sample(rng: Random) -> Item:
        while True:
            values = dict(part.split(" ", 1) for part in field(rng).text.split(" ; "))
            if first in values and second in values:
                text = " ; ".join(f"{key} {value}" for key, value in values.items())
                return Item(text, f"{values[first]} {values[second]}")

    return sample


def one_field(name: str) -> Sampler:
    """Return a sampler of records of four fields; the answer is the value of ``name``."""
    assert name in FIELDS

    def sample(rng: Random) -> Item:
        while True:
            item = field(rng)
            values = dict(part.split(" ", 1) for part in item.text.split(" ; "))
            if name in values:
                return Item(item.text, values[name])

    return sample


def ends(rng: Random) -> Item:
    """Draw five words; the answer is the last and the first."""
    row = nth(0)(rng).text
    return Item(row, f"{row.split()[-1]} {row.split()[0]}")


def mood_of_what(*domains: str) -> Sampler:
    """Return a sampler of reviews; the answer is their domain and mood, e.g. ``film_good``."""

    def sample(rng: Random) -> Item:
        about = rng.choice(domains)
        item = review(about)(rng)
        return Item(item.text, f"{about}_{item.answer}")

    return sample


def name_and_thing(rng: Random) -> Item:
    """Draw a story of two people; the answer is the person and the thing in the room ``other``."""
    item = story("who")(rng)
    sentence = next(part for part in item.text.split(" . ") if item.answer in part.split())
    room = _first(sentence, "rooms")
    colour = _first(sentence, "colours")
    row = sentence.split()
    return Item(item.text, f"{item.answer} {row[row.index(colour) + 1]}", f"the {room}")


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


def note(rng: Random) -> Item:
    """Draw the slots of a restaurant; the answer is a short note of the dish, price and place."""
    item = restaurant(rng)
    place, _, price, dish, _, _, _, area = item.answer.split(" ")
    return Item(item.text, f"{dish} at {place} in {area} : {price}")


def denied_question(rng: Random) -> Item:
    """Draw a statement; the answer is the question whether its negation holds."""
    item = statement_to_question(rng)
    who, _, place = item.text.partition(" is ")
    return Item(item.text, f"is {who} not {place}")


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
