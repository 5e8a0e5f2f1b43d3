"""Pretraining never reads what the gym asks."""

from __future__ import annotations

import re
from random import Random

from mpt.gym.mini.item import Item, draw
from mpt.gym.mini.tasks import TASKS
from tools.mini_backbone.corpus import START, Mixture, aliases, document, vocabulary
from tools.mini_backbone.skills import SKILLS


def _items(held_out: bool, count: int) -> set[Item]:
    rng = Random(f"items {held_out}")
    samplers = [s for skill in SKILLS.values() for s in skill.samplers]
    samplers += [task.sampler for task in TASKS.values()]
    return {draw(s, rng, held_out=held_out) for s in samplers for _ in range(count)}


def test_gym_and_pretraining_share_no_item() -> None:
    ours, theirs = _items(True, 150), _items(False, 450)

    def texts(items: set[Item]) -> set[tuple[str, ...]]:
        return {(item.text, item.other, *sorted(item.options)) for item in items}

    assert len(texts(ours)) > 5000
    assert not texts(ours) & texts(theirs)


def test_no_document_has_the_form_of_a_task() -> None:
    rng = Random(1)
    sources = [document(rng, Mixture(), START).source for _ in range(4000)]
    for name, task in TASKS.items():
        literal = re.sub(r"\{\w\}", "", task.template).split()
        if len([word for word in literal if word.isalpha()]) < 2:
            continue  # too little of its own to be told from other text
        form = re.sub(r"\\\{\w\\\}", ".+", re.escape(task.template))
        assert not [s for s in sources if re.fullmatch(form, s)], name


def test_cue_labels_are_told_apart() -> None:
    for name, skill in SKILLS.items():
        for cue in skill.cues:
            if name != "tense":  # "is it over?" has two answers for three tenses
                assert len(set(cue.labels.values())) == len(cue.labels), (name, cue.words)


def test_aliases_hold_the_label_itself() -> None:
    assert {"good", "up", "yes", "pro"} <= set(aliases("good"))


def test_vocabulary_holds_task_words() -> None:
    assert {"backing", "entailment", "hypothesis", "kitchen", "mood"} <= vocabulary()
