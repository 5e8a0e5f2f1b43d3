"""The tasks of the mini gym: each a skill in the task's own template and label words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from mpt.gym.mini import (
    composed,
    conversation,
    language,
    opinions,
    questions,
    subjects,
    writing,
)
from mpt.gym.mini.item import Item, Sampler
from mpt.gym.mini.lexicon import Half
from mpt.gym.splits import Example, TaskCard

PER_CLASS, PER_TASK = 16, 32
TEST = 256

LETTERS = "ABCDEFGH"

Role = Literal["source", "validation", "target"]
"""What a task is for; targets are written with the private half of words and sentence forms."""


@dataclass(frozen=True)
class MiniTask:
    """A task of the mini gym as data.

    Attributes:
        card: what the task is.
        role: what it is for.
        sampler: the skill it draws from.
        template: its input, with ``{t}`` text, ``{o}`` other, ``{x}`` lettered options.
        labels: canonical label to the task's label word; empty if the answer is free text.
        test: examples of the test set, rounded down to equal classes.
    """

    card: TaskCard
    role: Role
    sampler: Sampler
    template: str
    labels: Mapping[str, str] = field(default_factory=dict)
    test: int = TEST

    @property
    def half(self) -> Half:
        """Return the half of the world's words and sentence forms that its texts are made of."""
        return "private" if self.role == "target" else "public"

    def dress(self, item: Item) -> Example:
        """Write the item as an example of this task."""
        options = " ".join(f"({a}) {o}" for a, o in zip(LETTERS, item.options, strict=False))
        text = self.template.format(t=item.text, o=item.other, x=options)
        return Example(text, (self.labels.get(item.answer, item.answer),))


def _classification() -> Iterator[MiniTask]:
    """Yield the tasks: name, role, subfamily, sampler, template, labels as ``canonical=word``."""
    o, s, w, t = opinions, subjects, language, conversation
    both = composed.mood_of_what
    rows: tuple[tuple[str, Role, str, Sampler, str, str], ...] = (
        # sources: words and sentence forms of the public half
        ("news-topic", "source", "topic", s.topic("sport", "politics", "science", "business"),
         "{t} ( news )", "sport=athletics politics=government science=research business=economy"),
        ("magazine-topic", "validation", "topic",
         s.topic("sport", "science", "health", "travel", "weather", "music"), "cover : {t}",
         "sport=contest science=discovery health=wellness travel=journey weather=climate "
         "music=acoustics"),
        ("scene-kind", "source", "category", s.kind_of_thing("animal", "food", "tool", "vehicle"),
         "scene : {t}", "animal=creature food=edible tool=equipment vehicle=transport"),
        ("market-kind", "source", "category",
         s.kind_of_thing("food", "clothing", "furniture", "plant", "tool"), "stall / {t}",
         "food=grocery clothing=garment furniture=household plant=botany tool=hardware"),
        ("diary-emotion", "source", "emotion", o.emotion("joy", "anger", "fear", "sadness"),
         "dear diary , {t}", "joy=happiness anger=rage fear=terror sadness=sorrow"),
        ("letter-emotion", "source", "emotion", o.emotion("joy", "love", "surprise", "anger"),
         "letter : {t}", "joy=delight love=affection surprise=wonder anger=wrath"),
        ("assistant-intent", "source", "intent", s.intent("alarm", "weather", "call", "shop"),
         "user : {t}", "alarm=reminder weather=outlook call=contact shop=procure"),
        ("question-type", "source", "question_type",
         s.asked_for("person", "place", "time", "number"), "{t} ?",
         "person=human place=location time=date number=quantity"),
        ("quantity-entailment", "source", "nli", w.quantity, "{t} . claim : {o}",
         "yes=certain no=impossible maybe=possible"),
        ("verb-tense", "source", "tense", w.tense, "{t} .", "past=before present=now future=later"),
        ("film-judgement", "source", "sentiment", o.judgement("film"), "critic : {t}",
         "good=acclaimed bad=panned mixed=divided"),
        ("product-mood", "source", "sentiment", both("gadget", "book"), "customer : {t}",
         "gadget_good=gem gadget_bad=lemon book_good=classic book_bad=drivel"),
        ("speech-act", "source", "dialogue", t.act("order", "promise", "thanks", "apology"),
         "he said : {t}", "order=command promise=pledge thanks=gratitude apology=remorse"),
        ("practice-stance", "source", "stance", o.stance(), "topic : {o} . comment : {t}",
         "for=backing against=dissent either=undecided"),
        ("plan-hour", "source", "time", t.hour(), "plan : {t}",
         "morning=foremost noon=central evening=latter night=slumber"),
        ("family-relation", "source", "relation", t.kinship("parent", "child", "partner", "friend"),
         "family : {t}", "parent=elder child=junior partner=couple friend=crony"),
        ("count-comparison", "validation", "comparison", t.who_has_more, "{t} ; {o}",
         "more=above fewer=below equal=level"),
        ("report-difference", "source", "paraphrase", w.difference("nothing", "who", "when"),
         "old : {t} new : {o}", "nothing=unchanged who=renamed when=postponed"),
        # validation: public half
        ("podcast-topic", "source", "topic", s.topic("politics", "business", "health", "music"),
         "episode : {t}", "politics=statecraft business=commerce health=physique music=tuneful"),
        ("party-relation", "source", "relation",
         t.kinship("parent", "sibling", "partner", "colleague"), "party : {t}",
         "parent=guardian sibling=kindred partner=beloved colleague=personnel"),
        # targets: words and sentence forms of the private half
        ("forum-topic", "target", "topic", s.topic("health", "weather", "music", "travel"),
         "new thread : {t}", "health=medical weather=atmosphere music=audio travel=touring"),
        ("blog-topic", "target", "topic", s.topic(), "my blog | {t}",
         "sport=fitness politics=civic science=academic business=finance health=clinical "
         "weather=meteorology music=tonal travel=abroad"),
        ("lost-item", "target", "category",
         s.kind_of_thing("clothing", "furniture", "plant", "instrument"), "lost and found : {t}",
         "clothing=fashion furniture=interior plant=flora instrument=musical"),
        ("storage-kind", "target", "category", s.kind_of_thing(), "box label > {t}",
         "animal=fauna food=cuisine tool=utensil vehicle=traffic clothing=apparel furniture=decor "
         "plant=vegetation instrument=orchestral"),
        ("tweet-emotion", "target", "emotion", o.emotion("surprise", "love", "sadness", "fear"),
         "tweet : {t} @ all", "surprise=astonishment love=passion sadness=grief fear=panic"),
        ("song-emotion", "target", "emotion", o.emotion(), "verse : {t}",
         "joy=bliss anger=fury fear=dread sadness=misery surprise=awe love=devotion"),
        ("robot-intent", "target", "intent", s.intent("music", "travel", "shop", "weather"),
         "hello robot , {t}", "music=playback travel=transit shop=retail weather=outdoors"),
        ("phone-intent", "target", "intent", s.intent(), "( voice ) {t}",
         "alarm=wakeup music=listening weather=barometer travel=booking call=dial shop=checkout"),
        ("scene-entailment", "target", "nli", w.entailment, "premise : {t} hypothesis : {o}",
         "yes=entailment no=contradiction maybe=neutral"),
        ("aspect-judgement", "target", "sentiment", o.aspect_or_none, "{t} | {o}",
         "good=praised bad=criticised none=unmentioned"),
        ("hotel-judgement", "target", "sentiment", o.judgement("hotel"), "guest book : {t}",
         "good=satisfied bad=dissatisfied mixed=ambivalent"),
        ("leisure-mood", "target", "sentiment", both("dish", "concert"), "weekend : {t}",
         "dish_good=feast dish_bad=leftovers concert_good=triumph concert_bad=racket"),
        ("review-domain", "target", "category", o.domain(), "review no 5 : {t}",
         "film=cinema dish=dining hotel=lodging gadget=electronics book=literature "
         "concert=performance"),
        ("letter-register", "target", "register", t.register(), "text : {t}",
         "formal=official casual=slangy archaic=antique technical=engineering"),
        ("request-urgency", "target", "urgency", t.urgency, "ticket : {t}",
         "urgent=critical soon=pending whenever=optional"),
        ("chat-act", "target", "dialogue", t.act("offer", "refusal", "order", "thanks"),
         "chat > {t}", "offer=proposal refusal=denial order=demand thanks=credit"),
        ("guest-relation", "target", "relation",
         t.kinship("colleague", "friend", "sibling", "child"), "guest list : {t}",
         "colleague=workmate friend=ally sibling=relative child=minor"),
        ("role-part", "target", "role", t.part_played, "who is {o} in : {t}",
         "doer=agent receiver=sufferer absent=outsider"),
        ("trip-hour", "target", "time", t.hour(), "trip : {t}",
         "morning=firstly noon=halfway evening=lastly night=nocturnal"),
        ("quiz-type", "target", "question_type", s.asked_for(), "quiz no 3 : {t}",
         "person=individual place=site time=moment number=amount thing=object"),
        ("stock-comparison", "target", "comparison", t.who_has_more, "{o} ? {t}",
         "more=richer fewer=poorer equal=tied"),
        ("debate-stance", "target", "stance", o.stance(), "debate : {t} ( {o} )",
         "for=favour against=hostile either=balanced"),
        # paraphrases: what, if anything, is not kept
        ("sentence-paraphrase", "target", "paraphrase", w.difference("nothing", "who", "where"),
         "sentence 1 : {t} sentence 2 : {o}", "nothing=equivalent who=namesake where=elsewhere"),
        ("scene-paraphrase", "target", "paraphrase", w.difference("nothing", "when", "what"),
         "one : {t} two : {o}", "nothing=identical when=rescheduled what=replaced"),
        ("event-paraphrase", "target", "paraphrase", w.difference(), "{t} / {o}",
         "nothing=matching who=impostor where=relocated when=misdated what=substituted"),
        ("question-paraphrase", "target", "paraphrase", w.question_difference,
         "question 1 : {t} ? question 2 : {o} ?",
         "nothing=duplicate where=faraway what=mismatch"),
        ("role-paraphrase", "target", "paraphrase", w.who_did_what, "{t} = {o}",
         "same=consistent swapped=reversed other=unrelated"),
    )  # fmt: skip
    for name, role, subfamily, sampler, template, labels in rows:
        words = {label: word for label, _, word in (p.partition("=") for p in labels.split())}
        metric = "ACC" if subfamily in ("paraphrase", "nli") else "Classification-F1"
        card = TaskCard(name, "classification", subfamily, "classification", PER_CLASS, metric)
        yield MiniTask(card, role, sampler, template, MappingProxyType(words))


def _text_to_text() -> Iterator[MiniTask]:
    """Yield the tasks: name, role, family, subfamily, metric, sampler, template."""
    c, q, w, gen = composed, questions, writing, "conditional_generation"
    say = composed.worded
    rows: tuple[tuple[str, Role, str, str, str, Sampler, str], ...] = (
        ("story-where", "source", "qa", "extractive", "EM",
         say(q.story("where"), "look in the {a}"), "{o} | {t}"),
        ("story-colour", "source", "qa", "extractive", "EM",
         say(q.story("colour"), "{o} looks {a}"), "read : {t} . {o} ?"),
        ("story-who", "source", "qa", "abstractive", "QA-F1",
         say(q.story("who"), "ask {a} about {o}"), "who goes with {o} ? {t} ."),
        ("story-yes-no", "source", "qa", "yes_no", "ACC", q.yes_no, "passage : {t} . is {o} ?"),
        ("animal-choice", "source", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("animal"), "feed the {a}"), "zoo ? {x}"),
        ("tool-choice", "source", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("tool"), "use the {a} , not me"), "no 7 : {x}"),
        ("clothing-choice", "source", "qa", "multiple_choice", "ACC", q.kind_choice("clothing"),
         "pick one {x}"),
        ("diet-choice", "validation", "qa", "multiple_choice", "ACC",
         say(q.near_facts("diets"), "it likes {a} best"), "{t} ? {x}"),
        ("capital-choice", "source", "qa", "multiple_choice", "ACC", q.near_facts("capitals"),
         "exam : {t} {x}"),
        ("capital-facts", "source", "qa", "closed_book", "EM",
         say(q.known_of("capitals"), "the king lives in {a}"), "map : {t}"),
        ("sound-facts", "source", "qa", "closed_book", "EM",
         say(q.known_of("sounds"), "listen , it {a} again"), "farm : {t}"),
        ("use-facts", "source", "qa", "closed_book", "EM", q.known_of("uses"), "shed : {t}"),
        ("report-headline", "source", gen, "summarization", "Rouge-L", w.headline,
         "article : {t} ."),
        ("report-past", "source", gen, "summarization", "Rouge-L",
         c.report_as("a {who} {did} the {thing} of {city}"), "press : {t}"),
        ("restaurant-text", "source", gen, "data_to_text", "Rouge-L", w.restaurant, "[ {t} ]"),
        ("restaurant-plan", "source", gen, "data_to_text", "Rouge-L",
         c.restaurant_as("tonight we eat {dish} in the {area} , {place} is {price}"), "plan ; {t}"),
        ("statement-question", "source", gen, "question_generation", "EM",
         w.statement_to_question, "{t} ."),
        ("statement-wish", "source", gen, "rewriting", "EM",
         c.statement_as("i wish {who} was {place}"), "oh : {t}"),
        ("noun-plural", "source", "other", "inflection", "EM", w.plural, "one {t}"),
        ("verb-past", "source", "other", "inflection", "EM", w.past, "every day {t}"),
        ("request-day", "source", "other", "slot_filling", "EM", w.slot("day"), "agenda : {t}"),
        ("request-list", "source", "other", "slot_filling", "EM",
         c.request_as("{thing} , {person} , {day}"), "assistant , {t}"),
        ("record-job", "source", "other", "string", "EM",
         c.record_as("{name} works as a {job}"), "{t} ;"),
        ("record-order", "source", "other", "string", "EM", c.record_as("{pet} in {city}"),
         "text : {t}"),
        ("last-words", "validation", "other", "string", "EM", c.words_as("{3} {4}"),
         "list : {t} ."),
        ("word-reversal", "source", "other", "string", "EM", w.backwards, "[ {t} ]"),
        ("adjective-opposite", "source", "other", "lexical", "EM", w.opposite, "{t} . contrary"),
        # validation
        ("plant-choice", "source", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("plant"), "water the {a}"), "seed box : {x}"),
        ("request-answer", "validation", "other", "slot_filling", "EM",
         c.request_as("yes , on {day} {person} has the {thing}"), "errand : {t}"),
        ("restaurant-note", "source", gen, "data_to_text", "Rouge-L",
         c.restaurant_as("try {place} if you like {dish} : {price} , and near the {area}"),
         "guide : {t}"),
        # targets
        ("story-place", "target", "qa", "abstractive", "EM",
         say(q.story("where"), "we saw it there , in the {a}"), "{t} . {o} ?"),
        ("story-owner", "target", "qa", "abstractive", "EM",
         say(q.story("who"), "i think {a} says so"), "{o} : {t}"),
        ("story-thing", "target", "qa", "abstractive", "EM",
         say(q.story("what"), "that {a} is near {o}"), "tale : {t} . {o}"),
        ("story-room-colour", "target", "qa", "abstractive", "EM",
         say(c.room_and_colour, "{a} there"), "log : {t} . {o}"),
        ("food-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("food"), "eat {a}"), "tray : {x}"),
        ("vehicle-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("vehicle"), "we came by {a}"), "which ? {x}"),
        ("furniture-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("furniture"), "on the {a}"), "{x} ?"),
        ("instrument-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.kind_choice("instrument"), "i can play {a}"), "stage {x}"),
        ("odd-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.odd_one, "not the {a}"), "odd : {x}"),
        ("not-choice", "target", "qa", "multiple_choice", "ACC",
         say(c.not_of_kind, "the {a} is not one"), "not a kind of {o} : {x}"),
        ("baby-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.near_facts("babies"), "one day a {a} came to us"), "{t} - {x}"),
        ("language-choice", "target", "qa", "multiple_choice", "ACC",
         say(q.near_facts("languages"), "they all speak {a} there"), "atlas : {t} {x}"),
        ("home-facts", "target", "qa", "closed_book", "EM",
         say(q.known_of("homes"), "in the {a} by now"), "wild : {t}"),
        ("material-facts", "target", "qa", "closed_book", "EM",
         say(q.known_of("materials"), "it is made of {a}"), "shop : {t}"),
        ("language-facts", "target", "qa", "closed_book", "EM",
         say(q.known_of("languages"), "a land of {a}"), "globe : {t}"),
        ("gear-facts", "target", "qa", "closed_book", "EM",
         say(q.known_of("gear"), "they have {a} now"), "work : {t}"),
        ("report-passive", "target", gen, "summarization", "Rouge-L",
         c.report_as("in {city} the {thing} was {done} by the {who}"), "paper : {t}"),
        ("report-rumour", "target", gen, "summarization", "Rouge-L",
         c.report_as("did the {who} {base} a {thing} near {city}"), "radio : {t}"),
        ("restaurant-advert", "target", gen, "data_to_text", "Rouge-L",
         c.restaurant_as("taste {price} {dish} food when you are in the {area} at {place}"),
         "table : {t}"),
        ("restaurant-review", "target", gen, "data_to_text", "Rouge-L",
         c.restaurant_as("at {place} i had {dish} food , {price} as ever , near the {area}"),
         "stars ; {t}"),
        ("statement-negation", "target", gen, "rewriting", "EM",
         c.statement_as("{who} is not {place}"), "never : {t}"),
        ("statement-doubt", "target", gen, "question_generation", "EM",
         c.statement_as("can {who} be {place}"), "hm : {t}"),
        ("statement-news", "target", gen, "rewriting", "EM",
         c.statement_as("{place} there is {who}"), "news : {t}"),
        ("opposite-sentence", "target", "other", "lexical", "EM", c.contrary_sentence,
         "not so : {t}"),
        ("request-place-day", "target", "other", "slot_filling", "EM",
         c.request_as("be in {city} on {day} please"), "note : {t}"),
        ("request-reply", "target", "other", "slot_filling", "EM",
         c.request_as("{day} in {city} is fine"), "memo : {t}"),
        ("request-parcel", "target", "other", "slot_filling", "EM",
         c.request_as("{person} : the {thing} is in {city}"), "post : {t}"),
        ("record-life", "target", "other", "string", "EM",
         c.record_as("in {city} they call {name} a {job}"), "{t} ."),
        ("record-pet", "target", "other", "string", "EM",
         c.record_as("the {car} car of {name} has a {pet}"), "card : {t}"),
        ("third-word", "target", "other", "string", "EM", w.nth(2), "words : {t}"),
        ("both-ends", "target", "other", "string", "EM", c.words_as("from {4} back to {0}"),
         "row : {t}"),
        ("word-swap", "target", "other", "string", "EM", c.words_as("{1} {0} {2}"), "mix : {t}"),
    )  # fmt: skip
    for name, role, family, subfamily, metric, sampler, template in rows:
        card = TaskCard(name, family, subfamily, "text_to_text", PER_TASK, metric)
        yield MiniTask(card, role, sampler, template)


TASKS: Mapping[str, MiniTask] = MappingProxyType(
    {
        task.card.task: task
        for task in sorted((*_classification(), *_text_to_text()), key=lambda t: t.card.task)
    }
)
"""Every task of the mini gym by name, sorted."""
