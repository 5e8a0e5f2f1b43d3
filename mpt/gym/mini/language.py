"""Texts about language and reasoning: entailment, paraphrase, acceptability, tense."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, records, words
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
    return pick(rng, ORDERS).format(**reworded)


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
    first = pick(rng, ORDERS).format(**parts)
    answer = rng.choice(("same", "different"))
    changed = dict(parts)
    if answer == "different":
        key, name = rng.choice(
            (("name", "names"), ("city", "cities"), ("day", "days"), ("thing", "tool"))
        )
        changed[key] = _other(rng, name, parts[key])
    return Item(first, answer, _reworded(rng, changed))


CHANGES = {"who": "names", "where": "cities", "when": "days", "what": "tool"}
"""What a second scene may change, and from which class the other word comes."""


def difference(*kinds: str) -> Sampler:
    """Return a sampler of two scenes; the answer is ``nothing`` or what differs (``CHANGES``)."""
    chosen = kinds or ("nothing", *CHANGES)

    def sample(rng: Random) -> Item:
        answer = rng.choice(chosen)
        _, _, past, done = rng.choice(records("verbs"))
        slots = {"who": rng.choice(words("names")), "where": rng.choice(words("cities")),
                 "when": rng.choice(words("days")), "what": rng.choice(words("tool"))}  # fmt: skip
        other = dict(slots)
        if answer != "nothing":
            other[answer] = _other(rng, CHANGES[answer], slots[answer])
        frames = ("on {when} {who} {past} the {what} in {where}",
                  "in {where} {who} {past} the {what} on {when}",
                  "the {what} was {done} by {who} in {where} on {when}",
                  "the {what} was {done} on {when} in {where} by {who}")  # fmt: skip
        one, two = (pick(rng, frames).format(past=past, done=done, **s) for s in (slots, other))
        return Item(one, answer, two)

    return sample


ASKS = (
    "how can i {v} a {t} {x} in {c}", "what is the best way to {v} a {t} {x} in {c}",
    "in {c} how does one {v} a {t} {x}", "tell me how to {v} a {t} {x} in {c}",
)  # fmt: skip


def question_difference(rng: Random) -> Item:
    """Draw two questions; the answer is ``nothing`` or what differs: ``where`` or ``what``."""
    kind = rng.choice(KINDS)
    slots = {"v": rng.choice(records("verbs"))[0], "t": rng.choice(words("traits")),
             "x": rng.choice(words(kind)), "c": rng.choice(words("cities"))}  # fmt: skip
    answer = rng.choice(("nothing", "where", "what"))
    changed = dict(slots)
    if answer == "where":
        changed["c"] = _other(rng, "cities", slots["c"])
    elif answer == "what":
        changed["x"] = _other(rng, kind, slots["x"])
    first, second = rng.sample(ASKS, 2)
    return Item(first.format(**slots), answer, second.format(**changed))


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
    """Draw two meetings: the roles are the ``same``, ``swapped``, or one is of an ``other``."""
    one, two, third = rng.sample(words("names"), 3)
    past = rng.choice(records("meets"))[2]
    place = fill(rng, pick(rng, ("in the {rooms} on {days}", "on {days} near {cities}")))
    answer = rng.choice(("same", "swapped", "other"))
    doer, done = {
        "same": (one, two), "swapped": (two, one), "other": rng.choice(((one, third), (third, two)))
    }[answer]  # fmt: skip
    forms = ("{b} was {p} by {a}", "{a} {p} {b}")
    first = rng.choice(forms).format(a=one, b=two, p=past)
    second = rng.choice(forms).format(a=doer, b=done, p=past)
    return Item(f"{first} {place}", answer, f"{second} {place}")


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
