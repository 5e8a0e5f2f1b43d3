"""Texts with a subject: topics, kinds of things, requests, spam, question types."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, words

TOPICS = ("sport", "politics", "science", "business", "health", "weather", "music", "travel")
KINDS = (
    "animal", "food", "tool", "vehicle", "clothing", "furniture", "plant", "instrument",
)  # fmt: skip

REPORTS = (
    "{names} told the {professions} about the {a} and the {b}", "the {a} in {cities} after the {b}",
    "on {days} the {a} met the {b}", "{cities} waits for the {a}",
     "why the {a} matters in {cities}",
    "the {a} and the {b} of {names}", "a {professions} from {cities} on the {a}",
)  # fmt: skip


def topic(*kinds: str) -> Sampler:
    """Return a sampler of reports; the answer is one of ``kinds`` (default: all ``TOPICS``)."""
    chosen = kinds or TOPICS

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        a, b = rng.sample(words(kind), 2)
        frame = pick(rng, REPORTS).replace("{a}", a).replace("{b}", b)
        return Item(fill(rng, frame), kind)

    return sample


SCENES = (
    "{names} left a {traits} {x} in the {rooms}", "there is a {colours} {x} in {cities}",
    "{names} bought the {x} on {days}", "the {professions} dreamt of a {traits} {x}",
    "a {colours} {x} for {names}", "{names} looked at the {x} in the {rooms}",
)  # fmt: skip


def kind_of_thing(*kinds: str) -> Sampler:
    """Return a sampler of scenes with one thing each; the answer is the kind of that thing."""
    return with_a_word(SCENES, kinds or KINDS)


def with_a_word(
    frames: tuple[str, ...], classes: tuple[str, ...], tails: tuple[str, ...] = ()
) -> Sampler:
    """Return a sampler of texts with a word of one class in place of ``{x}``; the answer is it."""

    def sample(rng: Random) -> Item:
        name = rng.choice(classes)
        text = pick(rng, frames).replace("{x}", rng.choice(words(name)))
        return Item(fill(rng, f"{text} {rng.choice(tails)}" if tails else text), name)

    return sample


INTENTS = {
    "alarm": ("wake me at {numbers} on {days}", "set a timer for {numbers} minutes in the {rooms}",
              "do not let me sleep past {numbers} {times}", "ring at {numbers} for {names}"),
    "music": ("play {songs} by {names}", "i want to hear some {genres} in the {rooms}",
              "put on the new {genres} album of {names}", "turn up {songs} on {days}"),
    "weather": ("will it rain in {cities} on {days}", "do i need a {clothing} in {cities} {times}",
                "how warm is it in {cities} on {days}", "is there snow near {cities} on {days}"),
    "travel": ("book a seat to {cities} on {days}", "find me a {vehicle} from {cities} to {cities}",
               "i need a room in {cities} for {numbers} nights",
                "how do i get to {cities} by {vehicle}"),
    "call": ("tell {names} i am late on {days}", "ring up {names} in {cities}",
             "send {names} a note about the {food}", "answer the message of {names} on {days}"),
    "shop": ("order {numbers} {clothing} for {names}",
     "how much is the {colours} {furniture} in {cities}",
             "add {food} and {food} to my list", "i want to buy a {traits} {tool} on {days}"),
}  # fmt: skip


LEADS = ("", "hey ", "please ", "well ", "{names} here ", "{times} ", "for {names} ", "listen ")


def intent(*kinds: str) -> Sampler:
    """Return a sampler of requests to an assistant; the answer is a key of ``INTENTS``."""
    chosen = kinds or tuple(INTENTS)

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        lead = fill(rng, rng.choice(LEADS))
        return Item(lead + fill(rng, pick(rng, INTENTS[kind])), kind)

    return sample


SPAM = (
    "you won {numbers} free {prizes} call now", "claim your {prizes} today {names}",
    "cheap {clothing} and {prizes} only on {days}",
     "urgent {names} your {prizes} expires on {days}",
    "click here for a free {prizes} in {cities}", "last chance to win a {vehicle} or {prizes}",
)  # fmt: skip
NOTES = (
    "see you in the {rooms} on {days} {names}", "{names} forgot the {clothing} call now",
    "the free {vehicle} leaves {cities} on {days}", "can you feed the {animal} on {days} {names}",
    "i won against {names} in {cities}", "your {food} is in the {furniture} {names}",
)  # fmt: skip


def spam(rng: Random) -> Item:
    """Draw a short message; the answer is ``spam`` or ``normal``."""
    answer, forms = rng.choice((("spam", SPAM), ("normal", NOTES)))
    return Item(fill(rng, pick(rng, forms)), answer)


ASKED = {
    "person": ("who {acts} in the {rooms}", "name the {professions} who lives in {cities}",
               "which {professions} likes the {animal}", "whose {clothing} is in the {rooms}"),
    "place": ("where does {names} live", "in which city is the {colours} {furniture} of {names}",
              "name the country of the {animal} and the {plant}",
               "to where did {names} take the {tool}"),
    "time": ("when did the {professions} leave {cities}", "on which day does the {rooms} open",
             "what year was the {instrument} of {names} built",
              "since when is {names} in {cities}"),
    "number": ("how many {food} are in the {rooms}", "how much does the {vehicle} of {names} cost",
               "what is the weight of the {animal}", "how far is {cities} from {cities}"),
    "thing": ("what did {names} eat in {cities}", "which tool does the {professions} use on {days}",
              "what is in the {furniture} of {names}",
               "name the animal that {names} saw in {cities}"),
}  # fmt: skip


ASKERS = (
    "", "{names} asks ", "the {professions} asks ", "{times} {names} asks ", "please ", "so ",
    "in {cities} they ask ",
)  # fmt: skip


def asked_for(*kinds: str) -> Sampler:
    """Return a sampler of questions; the answer is the question's type, a key of ``ASKED``."""
    chosen = kinds or tuple(ASKED)

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        frame = pick(rng, ASKED[kind]).replace("{acts}", rng.choice(words("acts")).split("/")[2])
        return Item(fill(rng, rng.choice(ASKERS) + frame), kind)

    return sample
