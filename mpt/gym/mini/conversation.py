"""What people say to and about each other: acts, registers, urgency, kinship, times, roles."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, records, words
from mpt.gym.mini.opinions import REQUESTS
from mpt.gym.mini.subjects import with_a_word

ACTS: Mapping[str, tuple[str, ...]] = {
    "order": ("you must {r}", "i want you to {r}", "{names} has to {r} now", "see that you {r}"),
    "promise": ("i promise to {r}", "you have my word that i will {r}", "i swear i shall {r}",
                "count on me to {r}"),
    "thanks": ("thank you for offering to {r}", "how kind of you to {r}",
               "i am grateful that you {r}", "many thanks that {names} will {r}"),
    "apology": ("sorry that i did not {r}", "forgive me for failing to {r}",
                "my fault i should {r}", "i regret that i forgot to {r}"),
    "offer": ("shall i {r} for you", "let me {r} if you like", "would it help if i {r}",
              "i could {r} for {names}"),
    "refusal": ("i will never {r}", "no way that i {r}", "i refuse to {r}", "do not ask me to {r}"),
}  # fmt: skip


TAILS = ("in {cities}", "on {days}", "with {names}", "{times}", "for the {professions}")


def act(*kinds: str) -> Sampler:
    """Return a sampler of remarks; the answer is what the speaker does, a key of ``ACTS``."""
    chosen = kinds or tuple(ACTS)

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        said = pick(rng, ACTS[kind]).format(r=pick(rng, REQUESTS), names="{names}")
        return Item(fill(rng, f"{said} {rng.choice(TAILS)}"), kind)

    return sample


REGISTERS = ("formal", "casual", "archaic", "technical")

LETTERS_FROM = (
    "{x} the {furniture} of {names} is in {cities}", "{names} {x} has the {tool} in the {rooms}",
    "on {days} {x} the {professions} saw {names}", "the {vehicle} {x} is near {cities}",
    "{x} {names} and the {animal} left on {days}", "we {x} sold the {instrument} to {names}",
)  # fmt: skip


def register(*kinds: str) -> Sampler:
    """Return a sampler of sentences with a word of a register; the answer is the register."""
    return with_a_word(LETTERS_FROM, kinds or REGISTERS)


HASTE = ("urgent", "soon", "whenever")


def urgency(rng: Random) -> Item:
    """Draw a request with a deadline; the answer is one of ``HASTE``."""
    kind = rng.choice(HASTE)
    frame = pick(
        rng, ("{m} {r} please", "can you {r} {m}", "{r} {m} {names}", "we need to {r} {m}")
    )
    said = frame.replace("{m}", rng.choice(words(kind))).replace("{r}", pick(rng, REQUESTS))
    return Item(fill(rng, said), kind)


KIN = ("parent", "child", "sibling", "partner", "colleague", "friend")

INTRODUCTIONS = (
    "{names} is the {x} of {names}", "meet {names} the {x} of the {professions}",
    "{names} came with a {x} on {days}", "the {x} of {names} lives in {cities}",
    "in {cities} {names} met a {x}", "a {x} gave {names} the {tool}",
)  # fmt: skip


def kinship(*kinds: str) -> Sampler:
    """Return a sampler of introductions; the answer is the kind of relation, one of ``KIN``."""
    return with_a_word(INTRODUCTIONS, kinds or KIN)


HOURS = ("morning", "noon", "evening", "night")

SCHEDULES = (
    "{names} left {cities} at {x}", "the {rooms} opens at {x} on {days}",
    "at {x} the {professions} called {names}", "we feed the {animal} at {x}",
    "{x} in {cities} with {names}", "the {vehicle} comes by {x} on {days}",
)  # fmt: skip


def hour(*kinds: str) -> Sampler:
    """Return a sampler of schedules; the answer is the part of the day, one of ``HOURS``."""
    return with_a_word(SCHEDULES, kinds or HOURS, TAILS)


def part_played(rng: Random) -> Item:
    """Draw a meeting of two people and a name (``other``): ``doer``, ``receiver`` or ``absent``."""
    one, two, third = rng.sample(words("names"), 3)
    past = rng.choice(records("meets"))[2]
    met = pick(rng, ("{a} {p} {b}", "{b} was {p} by {a}", "it was {a} who {p} {b}",
                     "it was {b} who was {p} by {a}"))  # fmt: skip
    place = pick(rng, ("in the {rooms}", "on {days}", "near {cities}", "at the {rooms} on {days}"))
    answer, asked = rng.choice((("doer", one), ("receiver", two), ("absent", third)))
    return Item(fill(rng, f"{met.format(a=one, b=two, p=past)} {place}"), answer, asked)


def who_has_more(rng: Random) -> Item:
    """Draw two people with things and one of them (``other``): ``more``, ``fewer`` or ``equal``."""
    one, two = rng.sample(words("names"), 2)
    order = words("numbers")
    answer = rng.choice(("more", "fewer", "equal"))
    low, high = sorted(rng.sample(range(len(order)), 2))
    first, second = {"more": (high, low), "fewer": (low, high), "equal": (low, low)}[answer]
    many = rng.choice(records("plurals"))[1]
    frame = pick(
        rng,
        (
            "{a} has {n} {x} and {b} has {m}",
            "{a} owns {n} {x} . {b} owns {m}",
            "{n} {x} belong to {a} and {m} to {b}",
            "{a} sold {n} {x} . {b} sold {m}",
        ),
    )
    text = frame.format(a=one, b=two, n=order[first], m=order[second], x=many)
    if rng.random() < 0.5:
        return Item(text, answer, one)
    return Item(text, {"more": "fewer", "fewer": "more", "equal": "equal"}[answer], two)
