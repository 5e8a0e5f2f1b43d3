"""Combined skills: the backbone was pretrained on the parts but never on the combination."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
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


def worded(sampler: Sampler, form: str) -> Sampler:
    """Return a sampler whose answers are sentences: ``form`` with ``{a}`` answer, ``{o}`` other."""

    def sample(rng: Random) -> Item:
        item = sampler(rng)
        answer = form.format(a=item.answer, o=item.other)
        return Item(item.text, answer, item.other, item.options)

    return sample


SLOTS = {"person": "names", "day": "days", "city": "cities", "thing": "clothing"}


def request_as(form: str) -> Sampler:
    """Return a sampler of requests to an assistant; the answer is ``form`` with their slots."""

    def sample(rng: Random) -> Item:
        text = slot("person")(rng).text
        return Item(text, form.format(**{key: _first(text, name) for key, name in SLOTS.items()}))

    return sample


def record_as(form: str) -> Sampler:
    """Return a sampler of records of four fields; the answer is ``form`` with some of them."""
    wanted = {key for key in FIELDS if "{" + key + "}" in form}

    def sample(rng: Random) -> Item:
        while True:
            values = _fields(field(rng).text)
            if wanted <= values.keys():
                text = " ; ".join(f"{key} {value}" for key, value in values.items())
                return Item(text, form.format(**values))

    return sample


def restaurant_as(form: str) -> Sampler:
    """Return a sampler of a restaurant's slots; the answer is ``form`` with them."""

    def sample(rng: Random) -> Item:
        item = restaurant(rng)
        place, _, price, dish, _, _, _, area = item.answer.split(" ")
        return Item(item.text, form.format(place=place, price=price, dish=dish, area=area))

    return sample


def report_as(form: str) -> Sampler:
    """Return a sampler of reports; the answer is ``form`` with who does what to what, and where."""

    def sample(rng: Random) -> Item:
        item = headline(rng)
        who, third, thing, _, city = item.answer.split(" ")
        base, _, past, done = next(verb for verb in records("verbs") if verb[1] == third)
        forms = {"who": who, "thing": thing, "city": city, "base": base, "does": third}
        return Item(item.text, form.format(**forms, did=past, done=done))

    return sample


def statement_as(form: str) -> Sampler:
    """Return a sampler of statements; the answer is ``form`` with who is where."""

    def sample(rng: Random) -> Item:
        text = statement_to_question(rng).text
        who, _, place = text.partition(" is ")
        return Item(text, form.format(who=who, place=place))

    return sample


def words_as(form: str) -> Sampler:
    """Return a sampler of five words; the answer is ``form`` with some of them, ``{0}`` first."""

    def sample(rng: Random) -> Item:
        text = nth(0)(rng).text
        return Item(text, form.format(*text.split(" ")))

    return sample


def _fields(text: str) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in text.split(" ; "))


def mood_of_what(*domains: str) -> Sampler:
    """Return a sampler of reviews; the answer is their domain and mood, e.g. ``film_good``."""

    def sample(rng: Random) -> Item:
        about = rng.choice(domains)
        item = review(about)(rng)
        return Item(item.text, f"{about}_{item.answer}")

    return sample


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


def not_of_kind(rng: Random) -> Item:
    """Draw four things, three of them of the kind ``other``; the answer is the fourth."""
    item = odd_one(rng)
    alike = next(thing for thing in item.options if thing != item.answer)
    kind = next(kind for kind in KINDS if alike in words(kind))
    return Item(item.text, item.answer, kind, item.options)
