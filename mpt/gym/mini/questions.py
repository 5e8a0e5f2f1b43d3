"""Stories and questions about them; choices between things; facts of the world."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, records, words
from mpt.gym.mini.subjects import KINDS

KNOWN = (
    "capitals", "sounds", "babies", "uses", "homes", "materials", "languages", "diets",
    "continents", "workplaces", "gear",
)  # fmt: skip

ABOUT = {
    "capitals": "the capital of {k}", "sounds": "what a {k} does", "babies": "the baby of a {k}",
    "uses": "what a {k} is for", "homes": "where a {k} lives",
    "materials": "what a {k} is made of", "languages": "what people speak in {k}",
    "diets": "what a {k} eats", "continents": "the continent of {k}",
    "workplaces": "where a {k} works", "gear": "what a {k} needs",
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
    frame = pick(rng, (
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


def kind_choice(kind: str) -> Sampler:
    """Return a sampler of four things as options; the answer is the one of the kind ``kind``."""

    def sample(rng: Random) -> Item:
        others = rng.sample([k for k in KINDS if k != kind], 3)
        answer = rng.choice(words(kind))
        things = [rng.choice(words(other)) for other in others]
        return Item("", answer, kind, tuple(rng.sample([answer, *things], 4)))

    return sample


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


NEIGHBOURS = (
    ("sounds", "babies", "homes", "diets"), ("capitals", "languages", "continents"),
    ("workplaces", "gear"),
)  # fmt: skip
"""Classes of facts about the same things."""


NOUNS = {
    "capitals": "capital", "sounds": "sound", "babies": "offspring", "uses": "purpose",
    "homes": "home", "materials": "material", "languages": "tongue", "diets": "diet",
    "continents": "continent", "workplaces": "workplace", "gear": "gear",
}  # fmt: skip
"""What each class of facts is called."""

MENTIONS = (
    "{names} the {professions} saw a {k}", "{k} and {names} in {cities}",
    "in the {rooms} {names} drew {k}", "a word of {names} on {k}", "{k} on {days} with {names}",
    "the {traits} {k} of {names}", "{names} likes {k} {times}", "we spoke of {k} in {cities}",
)  # fmt: skip


def known_of(*names: str) -> Sampler:
    """Return a sampler that mentions a thing and asks for a fact about it by noun (``other``)."""
    chosen = names or KNOWN

    def sample(rng: Random) -> Item:
        name = rng.choice(chosen)
        key, value = rng.choice(records(name))
        return Item(fill(rng, pick(rng, MENTIONS).replace("{k}", key)), value, NOUNS[name])

    return sample


def near_facts(*names: str) -> Sampler:
    """Return a sampler of a thing and four options, facts about it and its like (``other``: noun).

    The answer is the fact asked for; wrong options are other facts about the same thing, and the
    same fact about other things.
    """
    chosen = names or tuple(name for group in NEIGHBOURS for name in group)

    def sample(rng: Random) -> Item:
        name = rng.choice(chosen)
        beside = next(group for group in NEIGHBOURS if name in group)
        key, value = rng.choice(records(name))
        about = [v for n in beside if n != name for k, v in records(n) if k == key]
        alike = sorted({v for _, v in records(name)} - {value})
        wrong = [*rng.sample(about, min(2, len(about))), *rng.sample(alike, min(3, len(alike)))]
        wrong = [word for word in dict.fromkeys(wrong) if word != value][:3]
        text = fill(rng, pick(rng, MENTIONS).replace("{k}", key))
        return Item(text, value, NOUNS[name], tuple(rng.sample([value, *wrong], 1 + len(wrong))))

    return sample


def fact_choice(*names: str) -> Sampler:
    """Return a sampler of facts with three options; wrong ones are answers about other things."""
    chosen = names or KNOWN

    def sample(rng: Random) -> Item:
        name = rng.choice(chosen)
        key, value = rng.choice(records(name))
        others = sorted({other for _, other in records(name)} - {value})
        wrong = rng.sample(others, min(2, len(others)))
        return Item(_asks(rng, name, key), value, key, tuple(rng.sample([value, *wrong], 3)))

    return sample
