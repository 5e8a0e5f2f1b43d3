"""What the mini backbone is taught: each skill with natural-language cues, none of them a task's.

A cue is a keyword with its label words; frames put it before or behind the text. The gym's tasks
show the same skills without any cue, in their own templates and, mostly, with other label words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mpt.gym.mini import conversation, language, opinions, questions, subjects, writing
from mpt.gym.mini.item import Sampler

FRAMES = ("{k} : {t}", "{t} . {k} ?", "the {k} of this ? {t}", "{t} => {k}", "find {k} . {t}")
"""How a keyword ``k`` cues a text ``t``."""


@dataclass(frozen=True)
class Cue:
    """A keyword (or a frame of its own, if it holds ``{t}``) and the words of its labels.

    Attributes:
        words: what is said.
        labels: canonical label to word; labels that are not in it stay as they are.
    """

    words: str
    labels: Mapping[str, str]

    @property
    def frames(self) -> tuple[str, ...]:
        """Frames with ``{t}``, perhaps ``{o}`` and ``{x}``."""
        if "{t}" in self.words or "{x}" in self.words:
            return (self.words,)
        return tuple(frame.replace("{k}", self.words) for frame in FRAMES)


@dataclass(frozen=True)
class Skill:
    """A skill: where its items come from, how it is cued, and its share of the corpus."""

    name: str
    samplers: tuple[Sampler, ...]
    cues: tuple[Cue, ...]
    share: float = 1.0


def _cue(line: str) -> Cue:
    """``words | canonical=word ...`` as a cue."""
    words, _, labels = line.partition(" | ")
    pairs = (pair.partition("=") for pair in labels.split())
    return Cue(words, MappingProxyType({a: b for a, _, b in pairs}))


def _skills() -> dict[str, Skill]:
    o, s, w, q, g, c = opinions, subjects, language, questions, writing, conversation
    pair = " first : {t} second : {o}"
    rows: tuple[tuple[str, float, tuple[Sampler, ...], tuple[str, ...]], ...] = (
        ("sentiment", 2.5, tuple(map(o.review, o.DOMAINS)),
         ("mood", "verdict | good=up bad=down", "liked | good=yes bad=no",
          "feeling | good=pro bad=con")),
        ("aspect", 2, (o.aspect_or_none,), ("mood of {o} : {t}", "{t} . how was the {o} ?",
         "was the {o} liked ? {t} | good=yes bad=no none=silence",
         "{o} verdict : {t} | good=up bad=down none=blank")),
        ("judgement", 1.5, (o.judgement(),), ("overall", "balance | good=plus bad=minus mixed=both",
         "both sides")),
        ("domain", 1, (o.domain(),), ("reviewed", "kind of review",
         "counter | film=first dish=second hotel=third gadget=fourth book=fifth concert=sixth")),
        ("emotion", 1, (o.emotion(),), ("emotion", "feels", "heart | joy=sun anger=fire fear=ice "
         "sadness=rain surprise=flash love=rose")),
        ("manners", 0.7, (o.manners,), ("tone", "manners | polite=yes rude=no",
         "style | polite=good rude=bad")),
        ("stance", 0.7, (o.stance(),), ("stance", "side | for=yes against=no either=none",
         "{o} vote : {t} | for=up against=down either=blank")),
        ("subjectivity", 0.7, (o.subjectivity,), ("claim", "provable | fact=yes opinion=no")),
        ("topic", 1.2, (s.topic(),), ("topic", "section",
         "desk | sport=ball politics=vote science=lab "
         "business=money health=body weather=sky music=song travel=road")),
        ("kind", 1.2, (s.kind_of_thing(),), ("category", "sort",
         "shelf | animal=one food=two tool=three "
         "vehicle=four clothing=five furniture=six plant=seven instrument=eight")),
        ("intent", 1, (s.intent(),), ("wish", "command", "app | alarm=bell music=song weather=sky "
         "travel=road call=voice shop=cart")),
        ("spam", 0.7, (s.spam,), ("filter", "trust | spam=no normal=yes",
         "mail | spam=bad normal=good")),
        ("asked", 0.8, (s.asked_for(),), ("expects", "wanted",
         "word | person=who place=where time=when "
         "number=how thing=what")),
        ("entailment", 3, (w.entailment,), (
            "{t} . so {o} ?", "given {t} , does it follow that {o} ?", "follows" + pair,
            "logic" + pair + " | yes=right no=wrong maybe=open")),
        ("quantity", 2, (w.quantity,), (
            "{t} . so {o} ?", "given {t} , does it follow that {o} ?", "follows" + pair,
            "logic" + pair + " | yes=right no=wrong maybe=open")),
        ("rewording", 2.5, (w.rewording,), ("compare" + pair, "{t} . {o} . same or different ?",
         "meaning kept ?" + pair + " | same=yes different=no")),
        ("question_pair", 2, (w.question_pair,), ("compare" + pair,
         "{t} . {o} . same or different ?",
         "asked twice ?" + pair + " | same=yes different=no")),
        ("roles", 2.5, (w.who_did_what,), ("roles" + pair, "{t} . {o} . same , swapped or other ?",
         "roles kept ?" + pair + " | same=yes swapped=no other=none")),
        ("difference", 2.5, (w.difference(),), ("difference" + pair, "{t} . {o} . what differs ?",
         "changed" + pair + " | nothing=none who=name where=town when=day what=tool")),
        ("part", 2, (c.part_played,), ("part of {o} : {t}", "{t} . what did {o} do ?",
         "{o} in {t} ? | doer=giver receiver=taker absent=none")),
        ("counts", 2, (c.who_has_more,), ("amount of {o} : {t}", "{t} . how much has {o} ?",
         "{o} counts : {t} | more=plus fewer=minus equal=even")),
        ("act", 1, (c.act(),), ("does", "speech",
         "remark | order=push promise=vow thanks=praise apology=pardon offer=gift refusal=wall")),
        ("register", 0.8, (c.register(),), ("style of words", "diction",
         "voice | formal=suit casual=jeans archaic=armour technical=overall")),
        ("urgency", 0.8, (c.urgency,), ("deadline",
         "how soon | urgent=red soon=orange whenever=green")),
        ("kin", 1, (c.kinship(),), ("kin", "relation",
         "tie | parent=up child=down sibling=side partner=ring colleague=desk friend=heart")),
        ("hour", 0.8, (c.hour(),), ("hour", "part of the day",
         "clock | morning=one noon=two evening=three night=four")),
        ("grammar", 2.5, (w.acceptability,), ("grammar", "english | correct=good wrong=bad",
         "well formed | correct=yes wrong=no")),
        ("tense", 1, (w.tense,), ("tense", "verb form",
         "{t} . is it over ? | past=yes present=no future=no")),
        ("where", 1.5, (q.story("where"),), ("place of {o} : {t}", "{t} . find {o}",
         "{t} . location of {o} ?")),
        ("who", 1.5, (q.story("who"),), ("owner of {o} : {t}", "{t} . person by {o} ?",
         "{t} . name with {o} ?")),
        ("colour", 1.5, (q.story("colour"),), ("colour of {o} : {t}", "{t} . {o} colour",
         "paint of {o} ? {t}")),
        ("what", 1.5, (q.story("what"),), ("thing of {o} : {t}", "{t} . {o} holds ?",
         "{t} . belongings of {o}")),
        ("yes_no", 2.5, (q.yes_no,), ("true ? {o} . {t}", "{t} . check {o}",
         "{t} . {o} , right or wrong ? | "
         "yes=right no=wrong")),
        ("story_choice", 1.5, (q.story_choice,), ("place of {o} : {t} . {x}",
         "{t} . find {o} . choose {x}")),
        ("pick_kind", 2, (q.pick_kind,), ("choose the {o} : {x}", "{x} . the {o} is",
         "find a {o} among {x}")),
        ("odd", 2, (q.odd_one,), ("stranger : {x}", "{x} . the odd one is",
         "three are alike : {x}")),
        ("fact", 2, (q.fact(),), ("answer : {t}", "{t} . answer", "tell me . {t}")),
        ("known", 2.5, (q.known_of(),), ("{o} ? {t}", "{t} . {o}", "the {o} : {t}")),
        ("near", 2, (q.near_facts(),), ("{o} ? {t} . {x}", "{t} . choose the {o} : {x}")),
        ("fact_choice", 1.5, (q.fact_choice(),), ("answer : {t} . {x}", "{t} . choose {x}")),
        ("headline", 1.5, (g.headline,), ("short", "title", "{t} . in brief")),
        ("restaurant", 1.2, (g.restaurant,), ("describe", "{t} . say it in a sentence")),
        ("to_question", 0.8, (g.statement_to_question,), ("ask", "{t} . make it a question")),
        ("plural", 1, (g.plural,), ("many", "plural", "{t} . more than one")),
        ("past", 1, (g.past,), ("yesterday", "{t} . in the past")),
        ("slots", 2, tuple(map(g.slot, ("person", "day", "city", "thing"))), (
            "{o} : {t}", "{t} . which {o}", "pick the {o} . {t}")),
        ("actions", 1.5, (g.actions,), ("do", "steps", "{t} . list the steps")),
        ("backwards", 1.5, (g.backwards,), ("backwards", "{t} . in reverse")),
        ("field", 1.2, (g.field,), ("value of {o} : {t}", "{t} . get {o}", "read {o} from {t}")),
        ("opposite", 1.2, (g.opposite,), ("opposite", "contrary", "{t} . no , it is")),
        ("first", 1.2, (g.nth(0),), ("first", "start")),
        ("last", 1.2, (g.nth(-1),), ("last", "end")),
        ("second", 1.2, (g.nth(1),), ("second", "number two")),
    )  # fmt: skip
    return {
        name: Skill(name, samplers, tuple(map(_cue, cues)), share)
        for name, share, samplers, cues in rows
    }


SKILLS: Mapping[str, Skill] = MappingProxyType(_skills())
"""Every skill by name."""
