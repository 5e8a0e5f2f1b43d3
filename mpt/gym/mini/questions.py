"""Stories and questions about them; choices between things; facts of the world."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import records, words
from mpt.gym.mini.opinions import fill
from mpt.gym.mini.subjects import KINDS

KNOWN = ("capitals", "sounds", "babies", "uses", "homes", "materials", "languages")

ABOUT = {
    "capitals": "the capital of {k}", "sounds": "what a {k} does", "babies": "the baby of a {k}",
    "uses": "what a {k} is for", "homes": "where a {k} lives",
    "materials": "what a {k} is made of", "languages": "what people speak in {k}",
}  # fmt: skip


def _people(rng: Random) -> list[tuple[str, str, str, str]]:
    """Draw two people: name, room, colour and thing, all distinct."""
    things = [rng.choice(words(kind)) for kind in rng.sample(KINDS, 2)]
    return list(
        zip(
            rng.sample(words("names"), 2), rng.sample(words("rooms"), 2),
            rng.sample(words("colours"), 2), things, strict=True,
        )
    )  # fmt: skip


def _story(rng: Random, people: list[tuple[str, str, str, str]]) -> str:
    frame = rng.choice((
        "{n} is in the {r} with a {c} {t}", "in the {r} {n} holds a {c} {t}",
        "{n} took the {c} {t} to the {r}",
    ))  # fmt: skip
    return " . ".join(frame.format(n=n, r=r, c=c, t=t) for n, r, c, t in people)


def story(asked: str) -> Sampler:
    """Return a sampler of stories about two people, their rooms and things.

    The question asks for ``asked``: ``where``, ``who``, ``colour`` or ``what``.
    """

    def sample(rng: Random) -> Item:
        people = _people(rng)
        name, room, colour, thing = rng.choice(people)
        other, answer = {
            "where": (rng.choice((name, f"the {thing}")), room),
            "who": (rng.choice((f"the {thing}", f"the {room}")), name),
            "colour": (f"the {thing}", colour),
            "what": (name, thing),
        }[asked]
        return Item(_story(rng, people), answer, other)

    return sample


def yes_no(rng: Random) -> Item:
    """Draw a story and a claim (``other``); the answer is ``yes`` or ``no``."""
    people = _people(rng)
    (name, room, colour, thing), (_, far, shade, item) = rng.sample(people, 2)
    answer = rng.choice(("yes", "no"))
    true = answer == "yes"
    claims = (
        f"{name} in the {room if true else far}", f"the {thing} {colour if true else shade}",
        f"{name} with the {thing if true else item}",
    )  # fmt: skip
    return Item(_story(rng, people), answer, rng.choice(claims))


def pick_kind(rng: Random) -> Item:
    """Draw four things as options; the answer is the one of the kind ``other``."""
    kinds = rng.sample(KINDS, 4)
    things = [rng.choice(words(kind)) for kind in kinds]
    options = tuple(rng.sample(things, 4))
    return Item("", things[0], kinds[0], options)


def odd_one(rng: Random) -> Item:
    """Draw four things as options, three of one kind; the answer is the fourth."""
    kind, stranger = rng.sample(KINDS, 2)
    odd = rng.choice(words(stranger))
    three = rng.sample(words(kind), 3)
    return Item("", odd, "", tuple(rng.sample([*three, odd], 4)))


def story_choice(rng: Random) -> Item:
    """Draw a story, a name (``other``) and three options; the answer is that person's room."""
    people = _people(rng)
    name, room, _, _ = rng.choice(people)
    rooms = {person[1] for person in people}
    stray = rng.choice([word for word in words("rooms") if word not in rooms])
    return Item(_story(rng, people), room, name, tuple(rng.sample([*sorted(rooms), stray], 3)))


def _asks(rng: Random, name: str, key: str) -> str:
    who = fill(
        rng, rng.choice(("{names} the {professions}", "the {traits} {professions}", "{names}"))
    )
    return f"{who} asks {ABOUT[name].format(k=key)}"


def fact(*names: str) -> Sampler:
    """Return a sampler of questions about facts of some classes (default: all ``KNOWN``)."""
    chosen = names or KNOWN

    def sample(rng: Random) -> Item:
        name = rng.choice(chosen)
        key, value = rng.choice(records(name))
        return Item(_asks(rng, name, key), value, key)

    return sample


def fact_choice(*names: str) -> Sampler:
    """Return a sampler of facts with three options; wrong ones are answers about other things."""
    chosen = names or KNOWN

    def sample(rng: Random) -> Item:
        name = rng.choice(chosen)
        key, value = rng.choice(records(name))
        wrong = rng.sample(sorted({other for _, other in records(name)} - {value}), 2)
        return Item(_asks(rng, name, key), value, key, tuple(rng.sample([value, *wrong], 3)))

    return sample
