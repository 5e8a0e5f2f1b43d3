"""Texts about language and reasoning: entailment, paraphrase, acceptability, tense."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item
from mpt.gym.mini.lexicon import records, words
from mpt.gym.mini.opinions import fill
from mpt.gym.mini.subjects import KINDS


def _other(rng: Random, name: str, *used: str) -> str:
    """Draw a word of a class that is not among ``used``."""
    return rng.choice([word for word in words(name) if word not in used])


def entailment(rng: Random) -> Item:
    """Draw a scene and a claim (``other``); the answer is ``yes``, ``no`` or ``maybe``."""
    kind = rng.choice(KINDS)
    thing, name, city = (rng.choice(words(c)) for c in (kind, "names", "cities"))
    past = rng.choice(records("verbs"))[2]
    trait = rng.choice(words("traits"))
    text = f"{name} {past} a {trait} {thing} in {city}"
    answer = rng.choice(("yes", "no", "maybe"))
    claims = {
        "yes": (f"{name} {past} a {thing}", f"{name} was in {city}", f"the {thing} was {trait}",
                f"{name} {past} something in {city}"),
        "no": (f"{name} {past} nothing", f"nobody {past} a {thing} in {city}",
               f"{_other(rng, 'names', name)} {past} the {thing}",
               f"{name} was in {_other(rng, 'cities', city)}", f"no {thing} was in {city}"),
        "maybe": (f"{name} likes the {thing}", f"{_other(rng, 'names', name)} was in {city} too",
                  f"the {thing} was {rng.choice(words('colours'))}",
                  f"{name} is a {rng.choice(words('professions'))}"),
    }  # fmt: skip
    return Item(text, answer, rng.choice(claims[answer]))


QUANTITIES = {
    "yes": (
        ("all", "some"), ("all", "many"), ("many", "some"), ("no", "not all"), ("three", "some"),
    ),
    "no": (("all", "no"), ("no", "some"), ("some", "no"), ("no", "many"), ("all", "not all")),
    "maybe": (
        ("some", "all"), ("some", "many"), ("many", "all"), ("three", "many"), ("some", "not all"),
    ),
}  # fmt: skip


def quantity(rng: Random) -> Item:
    """Draw a quantity and a claim (``other``); the answer is ``yes``, ``no`` or ``maybe``."""
    answer = rng.choice(tuple(QUANTITIES))
    said, claimed = rng.choice(QUANTITIES[answer])
    many = rng.choice(records("plurals"))[1]
    frame = rng.choice(("{q} {m} are in the %s", "{q} {m} in %s are %s", "{q} {m} of %s are %s"))
    rest = {1: (rng.choice(words("rooms")),)}.get(
        frame.count("%"), (rng.choice(words("cities")), rng.choice(words("colours")))
    )
    frame = frame % rest
    return Item(frame.format(q=said, m=many), answer, frame.format(q=claimed, m=many))


def _reworded(rng: Random, parts: dict[str, str]) -> str:
    """Reword a scene with synonyms and, perhaps, in another order."""
    synonyms = {a: b for one, two in records("synonyms") for a, b in ((one, two), (two, one))}
    reworded = {key: synonyms.get(word, word) for key, word in parts.items()}
    return rng.choice(ORDERS).format(**reworded)


ORDERS = (
    "on {day} {name} {past} the {trait} {thing} in {city}",
    "{name} {past} the {trait} {thing} in {city} on {day}",
    "in {city} the {trait} {thing} was {done} by {name} on {day}",
    "the {trait} {thing} was {done} on {day} in {city} by {name}",
)  # fmt: skip


def rewording(rng: Random) -> Item:
    """Draw two scenes; the answer is ``same`` if the second rewords the first."""
    _, _, past, done = rng.choice(records("verbs"))
    thing = rng.choice(("car", "shop", "house", "film", "gift", "photo", "boat", "store", "home"))
    trait = rng.choice(("big", "small", "strange", "quiet", "rich", "whole", "large", "little"))
    parts = {"name": rng.choice(words("names")), "past": past, "done": done, "thing": thing,
             "trait": trait, "city": rng.choice(words("cities")),
             "day": rng.choice(words("days"))}  # fmt: skip
    first = rng.choice(ORDERS).format(**parts)
    answer = rng.choice(("same", "different"))
    changed = dict(parts)
    if answer == "different":
        key, name = rng.choice(
            (("name", "names"), ("city", "cities"), ("day", "days"), ("thing", "tool"))
        )
        changed[key] = _other(rng, name, parts[key])
    return Item(first, answer, _reworded(rng, changed))


ASKS = (
    "how can i {v} a {t} {x} in {c}", "what is the best way to {v} a {t} {x} in {c}",
    "in {c} how does one {v} a {t} {x}", "tell me how to {v} a {t} {x} in {c}",
)  # fmt: skip


def question_pair(rng: Random) -> Item:
    """Draw two questions; the answer is ``same`` if they ask the same thing."""
    kind = rng.choice(KINDS)
    verb, trait = rng.choice(records("verbs"))[0], rng.choice(words("traits"))
    thing, city = rng.choice(words(kind)), rng.choice(words("cities"))
    first, second = rng.sample(ASKS, 2)
    answer = rng.choice(("same", "different"))
    slots = {"v": verb, "t": trait, "x": thing, "c": city}
    changed = dict(slots)
    if answer == "different":
        pools = {"v": tuple(r[0] for r in records("verbs")), "t": words("traits"),
                 "x": words(kind), "c": words("cities")}  # fmt: skip
        key = rng.choice(tuple(pools))
        changed[key] = rng.choice([word for word in pools[key] if word != slots[key]])
    return Item(first.format(**slots), answer, second.format(**changed))


def who_did_what(rng: Random) -> Item:
    """Draw two meetings of two people; the answer is ``different`` if the roles are swapped."""
    one, two = rng.sample(words("names"), 2)
    past = rng.choice(records("meets"))[2]
    room, day = rng.choice(words("rooms")), rng.choice(words("days"))
    answer = rng.choice(("same", "different"))
    doer, done = (one, two) if answer == "same" else (two, one)
    second = rng.choice((f"{done} was {past} by {doer}", f"it was {doer} who {past} {done}"))
    return Item(
        f"{one} {past} {two} in the {room} on {day}", answer, f"{second} on {day} in the {room}"
    )


def acceptability(rng: Random) -> Item:
    """Draw a sentence; the answer is ``correct`` or ``wrong`` (agreement, determiners, order)."""
    answer = rng.choice(("correct", "wrong"))
    right = answer == "correct"
    one, many = rng.choice([pair for pair in records("plurals") if pair[0] != pair[1]])
    rule = rng.randrange(4)
    tail = fill(rng, rng.choice(("in {cities}", "on {days}", "with {names}", "near the {rooms}")))
    trait = rng.choice(words("traits"))
    if rule == 0:
        noun, verb = rng.choice(((one, "is"), (many, "are")))
        verb = verb if right else {"is": "are", "are": "is"}[verb]
        text = f"the {trait} {noun} {verb} {tail}"
    elif rule == 1:
        word, noun = rng.choice((("this", one), ("these", many), ("a", one), ("many", many)))
        noun = noun if right else {one: many, many: one}[noun]
        text = f"{rng.choice(words('names'))} saw {word} {noun} {tail}"
    elif rule == 2:
        base, third, _, _ = rng.choice(records("acts"))
        noun, verb, slip = rng.choice(((one, third, base), (many, base, third)))
        text = f"the {noun} {verb if right else slip} {tail}"
    else:
        noun = rng.choice((one, many))
        pair = f"{trait} {noun}" if right else f"{noun} {trait}"
        text = f"{rng.choice(words('names'))} likes the {pair} {tail}"
    return Item(text, answer)


def tense(rng: Random) -> Item:
    """Draw a sentence; the answer is its tense: ``past``, ``present`` or ``future``."""
    answer = rng.choice(("past", "present", "future"))
    base, third, past, _ = rng.choice((*records("acts"), *records("verbs")))
    verb = {
        "past": (past, f"did {base}", f"had to {base}"),
        "present": (third, f"has to {base}", f"wants to {base}"),
        "future": (f"will {base}", f"is going to {base}", f"shall {base}"),
    }[answer]
    who = rng.choice(("{names}", "the {professions}", "the {professions} of {cities}"))
    tail = rng.choice(("with {names}", "in the {rooms}", "near {cities}", "without the {tool}"))
    return Item(f"{fill(rng, who)} {rng.choice(verb)} {fill(rng, tail)}", answer)
