"""Texts to generate: headlines, sentences from slots, inflections, actions, copies, opposites."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, records, words
from mpt.gym.mini.subjects import KINDS


def headline(rng: Random) -> Item:
    """Draw a report; the answer is its core: who does what."""
    _, third, past, _ = rng.choice(records("verbs"))
    who, city, trait = (rng.choice(words(c)) for c in ("professions", "cities", "traits"))
    thing = rng.choice(words(rng.choice(KINDS)))
    frame = pick(rng, (
        "{names} a {w} from {c} {p} a {t} {x} on {days}", "on {days} the {w} of {c} {p} a {t} {x}",
        "{times} {names} the {w} {p} a {t} {x} near {c}",
    ))  # fmt: skip
    for slot, word in (("w", who), ("c", city), ("p", past), ("t", trait), ("x", thing)):
        frame = frame.replace("{" + slot + "}", word)
    return Item(fill(rng, frame), f"{who} {third} {thing} in {city}")


def restaurant(rng: Random) -> Item:
    """Draw the slots of a restaurant; the answer is a sentence that states them."""
    place, dish, area, price = (
        rng.choice(words(c)) for c in ("places", "dishes", "areas", "prices")
    )
    slots = rng.sample((f"name {place}", f"food {dish}", f"area {area}", f"price {price}"), 4)
    return Item(" , ".join(slots), f"{place} serves {price} {dish} food in the {area}")


def plural(rng: Random) -> Item:
    """Draw a singular noun phrase; the answer is its plural."""
    one, many = rng.choice(records("plurals"))
    trait, name = rng.choice(words("traits")), rng.choice(words("names"))
    return Item(f"{trait} {one} of {name}", f"{trait} {many} of {name}")


def past(rng: Random) -> Item:
    """Draw what someone does; the answer is the same in the past tense."""
    _, third, did, _ = rng.choice((*records("acts"), *records("verbs")))
    name, room = rng.choice(words("names")), rng.choice(words("rooms"))
    return Item(f"{name} {third} in the {room}", f"{name} {did} in the {room}")


def slot(wanted: str) -> Sampler:
    """Return a sampler of requests to an assistant.

    The answer is the slot ``wanted``: ``person``, ``day``, ``city`` or ``thing``.
    """
    classes = {"person": "names", "day": "days", "city": "cities", "thing": "clothing"}

    def sample(rng: Random) -> Item:
        slots = {key: rng.choice(words(name)) for key, name in classes.items()}
        frame = pick(rng, (
            "ask {person} in {city} for a {thing} on {day}",
            "on {day} send the {thing} to {person} in {city}",
            "buy a {thing} in {city} with {person} on {day}",
            "meet {person} on {day} in {city} without the {thing}",
        ))  # fmt: skip
        return Item(frame.format(**slots), slots[wanted], wanted)

    return sample


MOVES = ("walk", "jump", "run", "turn", "look", "swim")
TIMES = {"once": 1, "twice": 2, "thrice": 3}


def actions(rng: Random) -> Item:
    """Draw a command (a small SCAN, Lake & Baroni 2018); the answer is the actions in order."""
    moves = rng.sample(MOVES, 2)
    turns = [rng.choice(tuple(TIMES)) for _ in moves]
    done = [" ".join([move] * TIMES[turn]) for move, turn in zip(moves, turns, strict=True)]
    first, second = (f"{move} {turn}" for move, turn in zip(moves, turns, strict=True))
    if rng.random() < 0.6:
        return Item(f"{first} and then {second}", " ".join(done))
    return Item(f"{second} after you {first}", " ".join(done))


def backwards(rng: Random) -> Item:
    """Draw three or four words; the answer is the same words in reverse."""
    row = [rng.choice(words(rng.choice(KINDS))) for _ in range(rng.choice((3, 4)))]
    return Item(" ".join(row), " ".join(reversed(row)))


FIELDS = {
    "name": "names",
    "city": "cities",
    "job": "professions",
    "pet": "animal",
    "car": "colours",
}


def field(rng: Random) -> Item:
    """Draw a record of fields; ``other`` names one, the answer is its value."""
    keys = rng.sample(tuple(FIELDS), 4)
    values = [rng.choice(words(FIELDS[key])) for key in keys]
    place = rng.randrange(4)
    text = " ; ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
    return Item(text, values[place], keys[place])


def opposite(rng: Random) -> Item:
    """Draw a description; the answer is the opposite of its adjective."""
    word, contrary = rng.choice(records("opposites"))
    if rng.random() < 0.5:
        word, contrary = contrary, word
    frame = rng.choice(
        ("the {x} was {w}", "a {w} {x}", "{names} has a {w} {x}", "the {w} {x} of {names}")
    )
    thing = rng.choice(words(rng.choice(KINDS)))
    return Item(fill(rng, frame.replace("{x}", thing).replace("{w}", word)), contrary)


def nth(place: int) -> Sampler:
    """Return a sampler of five words; the answer is the one at ``place`` (0 first, -1 last)."""

    def sample(rng: Random) -> Item:
        row = [rng.choice(words(rng.choice((*KINDS, "names", "cities")))) for _ in range(5)]
        return Item(" ".join(row), row[place])

    return sample


def statement_to_question(rng: Random) -> Item:
    """Draw a statement; the answer is the yes/no question that it answers."""
    name, trait = rng.choice(words("names")), rng.choice(words("traits"))
    place = rng.choice(
        (f"in {rng.choice(words('cities'))}", f"in the {rng.choice(words('rooms'))}")
    )
    thing = rng.choice(words(rng.choice(KINDS)))
    who = rng.choice((name, f"the {trait} {thing}"))
    return Item(f"{who} is {place}", f"is {who} {place}")
