"""The tasks of the mini gym: each a skill in the task's own template and label words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mpt.gym.mini import composed, language, opinions, questions, subjects, writing
from mpt.gym.mini.item import Item, Sampler
from mpt.gym.splits import Example, TaskCard

PER_CLASS, PER_TASK = 16, 32
TEST = 128
FEW = {"command-actions": 48}
"""Smaller test sets, where the held-out part of the skill has too few items."""

LETTERS = "ABCD"


@dataclass(frozen=True)
class MiniTask:
    """A task of the mini gym as data.

    Attributes:
        card: what the task is.
        sampler: the skill it draws from.
        template: its input, with ``{t}`` text, ``{o}`` other, ``{x}`` lettered options.
        labels: canonical label to the task's label word; empty if the answer is free text.
        test: examples of the test set, rounded down to equal classes.
    """

    card: TaskCard
    sampler: Sampler
    template: str
    labels: Mapping[str, str] = field(default_factory=dict)
    test: int = TEST

    def dress(self, item: Item) -> Example:
        """Write the item as an example of this task."""
        options = " ".join(f"({a}) {o}" for a, o in zip(LETTERS, item.options, strict=False))
        text = self.template.format(t=item.text, o=item.other, x=options)
        return Example(text, (self.labels.get(item.answer, item.answer),))


def _classification() -> Iterator[MiniTask]:
    """Yield the tasks: name, subfamily, sampler, template, labels as ``canonical=word``."""
    o, s, w = opinions, subjects, language
    yesno = "yes=entailment no=contradiction maybe=neutral"
    rows: tuple[tuple[str, str, Sampler, str, str], ...] = (
        ("film-sentiment", "sentiment", o.review("film"), "film review : {t}",
         "good=joy bad=anger"),
        ("food-sentiment", "sentiment", o.review("dish"), "the guest wrote : {t}",
         "good=love bad=fear"),
        ("hotel-sentiment", "sentiment", o.review("hotel"), "{t}",
         "good=right bad=wrong"),
        ("gadget-sentiment", "sentiment", o.review("gadget"), "customer : {t}",
         "good=for bad=against"),
        ("book-sentiment", "sentiment", o.review("book"), "a reader says {t}",
         "good=correct bad=wrong"),
        ("concert-sentiment", "sentiment", o.review("concert"), "{t} ( live )",
         "good=positive bad=negative"),
        ("aspect-sentiment", "sentiment", o.aspect, "{t} | {o}", "good=for bad=against"),
        ("diary-emotion", "emotion", o.emotion("joy", "anger", "fear", "sadness"),
         "dear diary , {t}",
         "joy=happiness anger=rage fear=terror sadness=sorrow"),
        ("tweet-emotion", "emotion", o.emotion("surprise", "love", "sadness"), "tweet : {t} @ all",
         "surprise=flash love=love sadness=grief"),
        ("news-topic", "topic", s.topic("sport", "politics", "science", "business"), "{t} ( news )",
         "sport=athletics politics=government science=research business=economy"),
        ("forum-topic", "topic", s.topic("health", "weather", "music", "travel"),
         "new thread : {t}",
         "health=medical weather=climate music=sound travel=journey"),
        ("scene-kind", "category", s.kind_of_thing("animal", "food", "tool", "vehicle"),
         "scene : {t}",
         "animal=creature food=edible tool=equipment vehicle=transport"),
        ("shop-department", "category", s.kind_of_thing("clothing", "furniture", "plant",
         "instrument"),
         "lost and found : {t}",
          "clothing=fashion furniture=interior plant=nature instrument=musical"),
        ("scene-entailment", "nli", w.entailment, "premise : {t} hypothesis : {o}", yesno),
        ("quantity-entailment", "nli", w.quantity, "{t} . claim : {o}",
         "yes=true no=false maybe=unknown"),
        ("sentence-paraphrase", "paraphrase", w.rewording, "sentence 1 : {t} sentence 2 : {o}",
         "same=yes different=no"),
        ("question-paraphrase", "paraphrase", w.question_pair,
         "question 1 : {t} ? question 2 : {o} ?",
         "same=yes different=no"),
        ("scene-paraphrase", "paraphrase", composed.restated, "one : {t} two : {o}",
         "same=same different=different"),
        ("role-paraphrase", "paraphrase", w.who_did_what, "{t} / {o}",
         "same=same different=different"),
        ("sentence-acceptability", "acceptability", w.acceptability, "{t} .",
         "correct=yes wrong=no"),
        ("question-type", "question_type", s.asked_for("person", "place", "time", "number"),
         "{t} ?",
         "person=human place=location time=date number=quantity"),
        ("verb-tense", "tense", w.tense, "{t} .", "past=before present=now future=later"),
        ("statement-subjectivity", "subjectivity", o.subjectivity, "statement : {t}",
         "fact=objective opinion=subjective"),
        ("request-politeness", "politeness", o.manners, "he said : {t} !",
         "polite=courteous rude=impolite"),
        ("message-spam", "spam", s.spam, "sms : {t}", "spam=junk normal=ham"),
        ("assistant-intent", "intent", s.intent("alarm", "weather", "call"), "user : {t}",
         "alarm=clock weather=forecast call=contact"),
        ("voice-intent", "intent", s.intent("music", "travel", "shop"), "hello robot , {t}",
         "music=audio travel=trip shop=purchase"),
        ("practice-stance", "stance", o.stance, "topic : {o} . comment : {t}",
         "for=pro against=con"),
    )  # fmt: skip
    for name, subfamily, sampler, template, labels in rows:
        words = {label: word for label, _, word in (p.partition("=") for p in labels.split())}
        metric = "Classification-F1" if len(words) > 2 else "ACC"
        card = TaskCard(name, "classification", subfamily, "classification", PER_CLASS, metric)
        yield MiniTask(card, sampler, template, MappingProxyType(words))


def _text_to_text() -> Iterator[MiniTask]:
    """Yield the tasks: name, family, subfamily, metric, sampler, template."""
    c, q, w, gen = composed, questions, writing, "conditional_generation"
    rows: tuple[tuple[str, str, str, str, Sampler, str], ...] = (
        ("story-where", "qa", "extractive", "EM", q.story("where"),
         "context : {t} question : where is {o} ?"),
        ("story-who", "qa", "extractive", "QA-F1", q.story("who"), "who goes with {o} ? {t} ."),
        ("story-colour", "qa", "extractive", "EM", q.story("colour"),
         "read : {t} . what colour is {o} ?"),
        ("story-what", "qa", "extractive", "QA-F1", q.story("what"), "{t} . what does {o} have ?"),
        ("story-yes-no", "qa", "yes_no", "ACC", q.yes_no, "passage : {t} . question : is {o} ?"),
        ("story-choice", "qa", "multiple_choice", "ACC", q.story_choice,
         "{t} . where is {o} ? {x}"),
        ("kind-choice", "qa", "multiple_choice", "ACC", q.pick_kind,
         "which of these is a kind of {o} ? {x}"),
        ("odd-choice", "qa", "multiple_choice", "ACC", q.odd_one,
         "which one does not belong ? {x}"),
        ("capital-facts", "qa", "closed_book", "EM", q.fact("capitals"), "quiz : {t}"),
        ("animal-facts", "qa", "closed_book", "EM", q.fact("sounds", "babies", "homes"), "{t} ?"),
        ("object-choice", "qa", "multiple_choice", "ACC", q.fact_choice("uses", "materials"),
         "{t} ? {x}"),
        ("country-choice", "qa", "multiple_choice", "ACC", q.fact_choice("capitals", "languages"),
         "exam : {t} {x}"),
        ("report-headline", gen, "summarization", "Rouge-L", w.headline, "article : {t} ."),
        ("restaurant-text", gen, "data_to_text", "Rouge-L", w.restaurant, "[ {t} ]"),
        ("statement-question", gen, "question_generation", "EM", w.statement_to_question, "{t} ."),
        ("noun-plural", "other", "inflection", "EM", w.plural, "one {t}"),
        ("verb-past", "other", "inflection", "EM", w.past, "every day {t}"),
        ("request-day", "other", "slot_filling", "EM", w.slot("day"), "calendar : {t}"),
        ("request-person", "other", "slot_filling", "EM", w.slot("person"), "assistant , {t}"),
        ("request-city", "other", "slot_filling", "EM", w.slot("city"), "map : {t}"),
        ("command-actions", "other", "semantic_parsing", "EM", w.actions, "robot : {t}"),
        ("word-reversal", "other", "string", "EM", w.backwards, "[ {t} ]"),
        ("record-field", "other", "string", "EM", w.field, "{t} ; {o} ?"),
        ("adjective-opposite", "other", "lexical", "EM", w.opposite, "{t} . on the contrary"),
        ("request-place-day", "other", "slot_filling", "QA-F1", c.city_and_day, "note : {t}"),
        ("opposite-sentence", "other", "lexical", "Rouge-L", c.contrary_sentence, "not so : {t}"),
        ("story-room-colour", "qa", "extractive", "QA-F1", c.room_and_colour,
         "{t} . describe {o}"),
        ("statement-negation", gen, "rewriting", "EM", c.negation, "never : {t}"),
        ("not-choice", "qa", "multiple_choice", "ACC", c.not_of_kind,
         "which of these is not a kind of {o} ? {x}"),
        ("third-word", "other", "string", "EM", w.nth(2), "words : {t}"),
        ("report-passive", gen, "summarization", "Rouge-L", c.passive_headline, "paper : {t}"),
        ("restaurant-advert", gen, "data_to_text", "Rouge-L", c.advert, "table : {t}"),
        ("last-word", "other", "string", "EM", w.nth(-1), "list : {t} ."),
    )  # fmt: skip
    for name, family, subfamily, metric, sampler, template in rows:
        card = TaskCard(name, family, subfamily, "text_to_text", PER_TASK, metric)
        yield MiniTask(card, sampler, template, test=FEW.get(name, TEST))


TASKS: Mapping[str, MiniTask] = MappingProxyType(
    {
        task.card.task: task
        for task in sorted((*_classification(), *_text_to_text()), key=lambda t: t.card.task)
    }
)
"""Every task of the mini gym by name, sorted."""
