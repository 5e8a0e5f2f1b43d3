"""Texts that carry an attitude: reviews, aspects, emotions, politeness, stance, subjectivity."""

from __future__ import annotations

from random import Random

from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import fill, pick, words

DOMAINS = ("film", "dish", "hotel", "gadget", "book", "concert")
EMOTIONS = ("joy", "anger", "fear", "sadness", "surprise", "love")

FILLERS = (
    "last night", "on {days}", "in {cities}", "with {names}", "for once", "after all",
    "to be honest", "in the end", "at the {rooms}", "as {names} said", "{times}", "of all things",
)  # fmt: skip


def _adjective(rng: Random, domain: str, mood: str) -> str:
    is_typical = rng.random() < 0.4
    return rng.choice(words(f"{domain}_{mood}" if is_typical else mood))


def _claim(rng: Random, domain: str, mood: str, part: str) -> str:
    """Draw a clause about ``part`` with the given mood; one in four expresses it by negation."""
    if rng.random() < 0.25:
        word = _adjective(rng, domain, "bad" if mood == "good" else "good")
        form = pick(rng, ("was not {w}", "was not {w} at all", "was never {w}", "was hardly {w}"))
    else:
        word = _adjective(rng, domain, mood)
        form = pick(rng, ("was {w}", "was {a} {w}", "seemed {a} {w}", "was {w} and {s}"))
    tail = form.format(w=word, a=rng.choice(words("adverbs")), s=rng.choice(words("sizes")))
    return f"the {part} {tail}"


def review(domain: str) -> Sampler:
    """Return a sampler of reviews of one of ``DOMAINS``; the answer is ``good`` or ``bad``."""

    def sample(rng: Random) -> Item:
        mood = rng.choice(("good", "bad"))
        part = rng.choice(words(f"{domain}_part"))
        claim = _claim(rng, domain, mood, part)
        shape = rng.randrange(4)
        filler = fill(rng, pick(rng, FILLERS))
        if shape == 0:
            text = f"{claim} {filler}"
        elif shape == 1:
            text = f"{filler} {claim}"
        elif shape == 2:
            text = f"{fill(rng, '{names} and {names} think')} {claim}"
        else:
            seen = rng.choice(words(f"{domain}_part"))
            text = f"we tried the {rng.choice(words('sizes'))} {seen} {filler} and {claim}"
        return Item(text, mood)

    return sample


def aspect(rng: Random) -> Item:
    """Draw two clauses of opposite mood; ``other`` names the part whose mood is the answer."""
    domain = rng.choice(DOMAINS)
    first, second = rng.sample(words(f"{domain}_part"), 2)
    mood = rng.choice(("good", "bad"))
    flipped = "bad" if mood == "good" else "good"
    text = f"{_claim(rng, domain, mood, first)} but {_claim(rng, domain, flipped, second)}"
    part, answer = (first, mood) if rng.random() < 0.5 else (second, flipped)
    return Item(text, answer, part)


def aspect_or_none(rng: Random) -> Item:
    """Draw as ``aspect`` does, or with a part that is not spoken of (``none``)."""
    item = aspect(rng)
    if rng.random() < 2 / 3:
        return item
    spoken = set(item.text.split())
    domain = next(d for d in DOMAINS if item.other in words(f"{d}_part"))
    silent = [part for part in words(f"{domain}_part") if part not in spoken]
    return Item(item.text, "none", rng.choice(silent))


def judgement(domain: str = "") -> Sampler:
    """Return a sampler of two claims about one thing: ``good``, ``bad`` or ``mixed``."""

    def sample(rng: Random) -> Item:
        about = domain or rng.choice(DOMAINS)
        parts = rng.sample(words(f"{about}_part"), 2)
        answer = rng.choice(("good", "bad", "mixed"))
        moods = rng.sample(("good", "bad"), 2) if answer == "mixed" else (answer, answer)
        claims = [_claim(rng, about, mood, part) for mood, part in zip(moods, parts, strict=True)]
        joint = "but" if answer == "mixed" and rng.random() < 0.5 else "and"
        return Item(f" {joint} ".join(claims), answer)

    return sample


def domain(*kinds: str) -> Sampler:
    """Return a sampler of reviews; the answer is what is reviewed, one of ``DOMAINS``."""
    chosen = kinds or DOMAINS

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        return Item(review(kind)(rng).text, kind)

    return sample


EVENTS = (
    "the {vehicle} arrived", "{names} called", "the {profession} came in", "we reached {cities}",
    "the {food} was served", "{names} opened the {furniture}", "the {instrument} started to play",
    "{names} showed us the {animal}", "the lights went out", "it was {days} again",
)  # fmt: skip


def emotion(*kinds: str) -> Sampler:
    """Return a sampler of feelings; the answer is one of ``kinds`` (default: all ``EMOTIONS``)."""
    chosen = kinds or EMOTIONS

    def sample(rng: Random) -> Item:
        kind = rng.choice(chosen)
        feeling = rng.choice(words(kind))
        event = fill(rng, pick(rng, EVENTS).replace("{profession}", "{professions}"))
        who = pick(rng, ("i was", "we were", f"{rng.choice(words('names'))} was", "they were"))
        lead = rng.choice((f"{who} {feeling}", f"{who} {rng.choice(words('adverbs'))} {feeling}"))
        return Item(rng.choice((f"{lead} when {event}", f"when {event} {lead}")), kind)

    return sample


POLITE = (
    "could you please {r}", "would you mind if i asked you to {r}", "please {r} thank you",
    "i would be grateful if you could {r}", "may i kindly ask you to {r}",
)  # fmt: skip
RUDE = (
    "{r} now you {f}", "just {r} and shut up", "hurry up and {r} you {f}",
    "how often must i tell you to {r}", "{r} or get out",
)  # fmt: skip
REQUESTS = (
    "close the {furniture}", "move the {vehicle}", "bring the {food}", "clean the {rooms}",
    "call {names}", "feed the {animal}", "sell the {instrument}", "wash the {clothing}",
    "wait in the {rooms}", "give {names} the {tool}",
)  # fmt: skip


def manners(rng: Random) -> Item:
    """Draw a request; the answer is ``polite`` or ``rude``."""
    answer, forms = rng.choice((("polite", POLITE), ("rude", RUDE)))
    request = fill(rng, pick(rng, REQUESTS))
    return Item(pick(rng, forms).format(r=request, f=rng.choice(words("fools"))), answer)


STANCES = {
    "for": ("i fully support {t}", "{t} should be allowed", "we need more {t}", "hooray for {t}"),
    "against": ("i strongly oppose {t}", "{t} should be banned", "we need less {t}", "no more {t}"),
    "either": ("people disagree about {t}", "i read a report on {t}", "there was a talk on {t}",
                "{t} was debated"),
}  # fmt: skip


def stance(*kinds: str) -> Sampler:
    """Return a sampler of opinions about a practice (``other``); a key of ``STANCES``."""
    chosen = kinds or tuple(STANCES)

    def sample(rng: Random) -> Item:
        answer = rng.choice(chosen)
        topic = rng.choice(words("bans"))
        opinion = pick(rng, STANCES[answer]).format(t=topic)
        frame = pick(
            rng,
            ("{s} in {cities}", "{names} said {s} in the {rooms}", "on {days} {names} wrote {s}"),
        )
        return Item(fill(rng, frame.replace("{s}", opinion)), answer, topic)

    return sample


FACTS = (
    "the {furniture} is {numbers} metres long", "the {vehicle} left {cities} on {days}",
    "{cities} has {numbers} museums", "the {tool} is made of metal",
    "{names} was born in {cities}", "the {rooms} opens at {numbers} on {days}",
)  # fmt: skip
VIEWS = (
    "i think the {furniture} is {good}", "nobody could ever like the {bad} {vehicle} of {cities}",
    "{cities} must be the most {good} place", "in my view the {tool} looks {bad}",
    "{names} is surely the most {good} person in {cities}", "i feel the {rooms} is {bad} on {days}",
)  # fmt: skip


def subjectivity(rng: Random) -> Item:
    """Draw a statement; the answer is ``fact`` or ``opinion``."""
    answer, forms = rng.choice((("fact", FACTS), ("opinion", VIEWS)))
    lead = pick(rng, ("", "", "it is known that ", "as you know ", "listen "))
    return Item(lead + fill(rng, pick(rng, forms)), answer)
