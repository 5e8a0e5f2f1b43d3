"""The pretraining text of the mini world: cued documents, glossary, span corruption.

Items come from the buckets that the gym does not own (``Item.held_out``), so that no sentence of
a task is ever read in pretraining.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from string import ascii_letters, digits
from types import MappingProxyType

from mpt.gym.mini.item import Item, draw
from mpt.gym.mini.lexicon import every_word, records, small_world, words
from mpt.gym.mini.tasks import LETTERS, TASKS
from tools.mini_backbone.skills import SKILLS, Cue, Skill

SENTINELS = 4
"""Pieces ``<extra_id_0>`` ... that mark holes in span corruption."""

START: Mapping[str, float] = MappingProxyType({name: s.share for name, s in SKILLS.items()})
"""Shares of the skills before anything is known of how hard they are."""

SMALL = (4, 6, 10)

UNKNOWN_LETTERS = ascii_letters + digits + "-_.,;:!?()[]#@&%+*='"


@dataclass(frozen=True, slots=True)
class Doc:
    """What the encoder reads and the decoder writes."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of the kinds of documents; what is left goes to cued skills.

    Attributes:
        spans: span corruption of bare items (Raffel et al. 2020).
        glossary: label words explained by their canonical ones, and synonyms.
        meant: share of the glossary in which a task's label words are offered to choose from by
            meaning. The more glossary, the sooner a prompt finds a task's label words: with 5 %,
            few-shot prompt tuning hardly finds them, with 15 % it always does.
        small: probability that a cued item comes from a small world (``SMALL`` words a class).
        unknown: probability that a person's name in a cued document is made up, spelt in bytes.
        stray: probability that a cued document starts with up to ``strays`` stray words, as under
            an untrained soft prompt.
        offered: probability that a cued label set is also listed in the document.
    """

    spans: float = 0.08
    glossary: float = 0.08
    meant: float = 0.1
    small: float = 0.6
    unknown: float = 0.04
    stray: float = 0.15
    strays: int = 8
    offered: float = 0.4


def document(rng: Random, mix: Mixture, shares: Mapping[str, float]) -> Doc:
    """One training document; ``shares`` weigh the skills (``START`` to begin with)."""
    kind = rng.random()
    if kind < mix.spans:
        return corrupted(rng, _bare(rng, shares))
    if kind < mix.spans + mix.glossary:
        return glossed(rng, mix)
    skill = _chosen(rng, shares)
    size = rng.choice(SMALL) if rng.random() < mix.small else None
    with small_world(size):
        item = draw(rng.choice(skill.samplers), rng, held_out=False)
    if rng.random() < mix.unknown:
        item = _with_unknown_name(rng, item)
    doc = cued(rng, skill, item, mix)
    if rng.random() < mix.stray:
        strays = rng.choices(_words(), k=rng.randrange(1, mix.strays + 1))
        return Doc(" ".join((*strays, doc.source)), doc.target)
    return doc


def cued(rng: Random, skill: Skill, item: Item, mix: Mixture) -> Doc:
    """An item under one of its skill's cues, with the label set listed now and then."""
    cue = rng.choice(skill.cues)
    source = rng.choice(cue.frames).format(
        t=item.text, o=item.other, x=_either(item.options, rng.random())
    )  # fmt: skip
    canon = canonical(skill.name)
    labels = dict(cue.labels)
    if canon and rng.random() < mix.offered:
        if rng.random() < 0.6:
            labels = {label: rng.choice(aliases(label)) for label in canon}
        offered = [labels.get(label, label) for label in canon]
        if len(set(offered)) == len(offered):
            source = f"{source} {_either(tuple(rng.sample(offered, len(offered))))}"
        else:
            labels = dict(cue.labels)
    return Doc(source, labels.get(item.answer, item.answer))


@cache
def canonical(name: str) -> tuple[str, ...]:
    """The labels of a classification skill in a fixed order; empty if its answers are free."""
    skill = SKILLS[name]
    rng = Random(0)
    seen = {draw(rng.choice(skill.samplers), rng, held_out=False).answer for _ in range(400)}
    return tuple(sorted(seen)) if any(cue.labels for cue in skill.cues) else ()


@cache
def aliases(label: str) -> tuple[str, ...]:
    """A canonical label and every word that stands for it in a cue (never a task's own words)."""
    cues: list[Cue] = [cue for skill in SKILLS.values() for cue in skill.cues]
    return tuple(sorted({label, *(cue.labels[label] for cue in cues if label in cue.labels)}))


def glossed(rng: Random, mix: Mixture) -> Doc:
    """What a task's label word means, or a synonym, in a sentence of its own."""
    if rng.random() < mix.meant:
        return _chosen_by_meaning(rng)
    word, meaning = rng.choice(_glossary())
    if rng.random() < 0.3:
        word, meaning = meaning, word
    frame = rng.choice(("{w} means", "another word for {w}", "{w} is like", "in other words {w}"))
    return Doc(frame.format(w=word), meaning)


def _chosen_by_meaning(rng: Random) -> Doc:
    """All label words of a task, and what one of them stands for; the answer is that word."""
    labels = rng.choice(_label_sets())
    meaning, word = rng.choice(tuple(labels.items()))
    offered = _either(tuple(rng.sample(tuple(labels.values()), len(labels))))
    frame = rng.choice(("{m} : {x}", "which means {m} ? {x}", "{x} . choose what {m} means"))
    return Doc(frame.format(m=_spoken(meaning), x=offered), word)


def corrupted(rng: Random, text: str) -> Doc:
    """Up to ``SENTINELS`` holes of one to three words, to be filled in."""
    row = text.split(" ")
    places = range(0, len(row), 4)
    starts = sorted(rng.sample(places, min(rng.randrange(1, SENTINELS), len(places))))
    source, target, last = [], [], 0
    for mark, start in enumerate(starts):
        end = min(start + rng.randrange(1, 4), len(row))
        source += [*row[last:start], f"<extra_id_{mark}>"]
        target += [f"<extra_id_{mark}>", *row[start:end]]
        last = end
    return Doc(" ".join(source + row[last:]), " ".join(target))


def _bare(rng: Random, shares: Mapping[str, float]) -> str:
    skill = _chosen(rng, shares)
    item = draw(rng.choice(skill.samplers), rng, held_out=False)
    if item.options:
        return f"{item.text} {_either(item.options)}".strip()
    return f"{item.text} . {item.other}" if item.other else item.text


def _with_unknown_name(rng: Random, item: Item) -> Item:
    """The item with one person called by a made-up word, wherever the name stands."""
    people = sorted({*item.text.split(), *item.other.split()} & set(words("names")))
    if not people:
        return item
    letters = UNKNOWN_LETTERS if rng.random() < 0.5 else UNKNOWN_LETTERS[:26]
    name, made_up = rng.choice(people), "".join(rng.choices(letters, k=rng.randrange(2, 5)))
    said = (
        " ".join(made_up if word == name else word for word in text.split(" "))
        for text in (item.text, item.answer, item.other)
    )
    text, answer, other = said
    return Item(text, answer, other, item.options)


def _either(options: tuple[str, ...], style: float = 0.0) -> str:
    """List options as ``a , b or c``, ``1 ) a 2 ) b`` or ``(A) a (B) b``; ``style`` in [0, 1)."""
    if not options:
        return ""
    if style < 0.4:
        return f"{' , '.join(options[:-1])} or {options[-1]}"
    if style < 0.6:
        return " ".join(f"{i} ) {option}" for i, option in enumerate(options, 1))
    return " ".join(
        f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)
    )


def _chosen(rng: Random, shares: Mapping[str, float]) -> Skill:
    return SKILLS[rng.choices(tuple(shares), tuple(shares.values()))[0]]


@cache
def _words() -> tuple[str, ...]:
    return tuple(sorted(set(every_word())))


@cache
def _glossary() -> tuple[tuple[str, str], ...]:
    """Synonyms, and the label words that only tasks use with what they stand for."""
    cued = {word for skill in SKILLS.values() for cue in skill.cues for word in cue.labels.values()}
    cued.update(label for name in SKILLS for label in canonical(name))
    labels = {pair for labels in _label_sets() for pair in labels.items()}
    own = {(word, _spoken(label)) for label, word in labels if word not in cued}
    return tuple(sorted(own | {(a, b) for a, b in records("synonyms")}))


def _label_sets() -> list[Mapping[str, str]]:
    return [task.labels for task in TASKS.values() if task.labels]


def _spoken(label: str) -> str:
    """Write a canonical label of two parts as words: ``film_good`` is "good film"."""
    return " ".join(reversed(label.split("_")))


def vocabulary() -> frozenset[str]:
    """Every word of the world, of the cues and of the tasks' templates and labels."""
    found = set(_words())
    for skill in SKILLS.values():
        for cue in skill.cues:
            found.update(*(_literal(frame) for frame in cue.frames), cue.labels.values())
    return frozenset(found | _task_words() | _sampled_words())


def _literal(template: str) -> set[str]:
    return {word for word in template.split() if "{" not in word}


def _task_words() -> set[str]:
    found = {word for task in TASKS.values() for word in task.labels.values()}
    return found.union(*(_literal(task.template) for task in TASKS.values()))


def _sampled_words() -> set[str]:
    rng, found = Random(0), set()
    for skill in SKILLS.values():
        for _ in range(2000):
            item = rng.choice(skill.samplers)(rng)
            found.update(item.text.split(), item.answer.split(), item.other.split())
    for task in TASKS.values():
        for _ in range(0 if task.labels else 50):
            found.update(task.sampler(rng).answer.split())
    for _ in range(2000):
        doc = glossed(rng, Mixture())
        found.update(doc.source.split(), doc.target.split())
    return found | {*"123456)(,", *(f"({letter})" for letter in LETTERS), "or"}
