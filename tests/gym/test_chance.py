"""Chance and majority: values that a pencil gives, under every metric."""

from __future__ import annotations

import pytest

from mpt.gym.labels import chance_level, lettered_options, majority_score
from mpt.gym.splits import Example, FewShotSplit


def split(metric, train, test, texts=()):
    """A split of answers alone; ``texts`` are the inputs of the test set."""
    inputs = [*texts, *(f"question {at}" for at in range(len(texts), len(test)))]
    return FewShotSplit(
        "task",
        metric,
        13,
        tuple(Example(f"row {at}", (answer,)) for at, answer in enumerate(train)),
        (),
        tuple(Example(text, (answer,)) for text, answer in zip(inputs, test, strict=True)),
    )


THREE = ["joy", "fear", "joy", "rage"]
MAJORITY = {
    "accuracy": ("ACC", THREE, ["joy", "fear", "joy", "rage"], 1 / 2),
    # joy: precision 1/2, recall 1, so F1 is 2/3; fear and rage have 0
    "macro F1": ("Classification-F1", THREE, ["joy", "fear", "joy", "rage"], 2 / 9),
    # of a tie the first by alphabet: fear, with precision 1/4 and recall 1
    "a tie": ("Classification-F1", ["rage", "fear"], ["fear", "rage", "rage", "rage"], 0.4 / 2),
    "Matthews": ("Matthew-Correlation", ["acceptable"], ["acceptable", "unacceptable"], 0),
    "Pearson": ("Pearson-Correlation", ["3.0", "3.0", "1.0"], ["1.0", "2.0"], 0),
    "exact match": ("EM", ["The kitchen", "garden", "The kitchen"], ["kitchen", "garden"], 1 / 2),
    # one word of two in common, and none
    "words": ("QA-F1", ["red box", "red box", "hat"], ["red hat", "coat"], 0.5 / 2),
    "unseen": ("ACC", ["yes"], ["no", "no"], 0),
}


@pytest.mark.parametrize("case", MAJORITY)
def test_the_most_frequent_training_answer_is_given_to_every_question(case):
    metric, train, test, score = MAJORITY[case]
    assert majority_score(split(metric, train, test)) == pytest.approx(score)


def test_a_headline_of_the_majority_is_scored_by_its_overlap():
    told = majority_score(split("Rouge-L", ["rain in town"], ["rain in town", "sun"]))
    assert told == pytest.approx(1 / 2, abs=1e-6)


FREE = [f"answer {at}" for at in range(11)]
OPTIONS = ("which ? (A) cat (B) dog (C) oak (D) elm", "which ? (A) red (B) box .")
CHANCE = {
    "three classes": ("classification", "Classification-F1", THREE, ["joy"], (), 1 / 3),
    "a class that only the test set has": ("classification", "ACC", ["a"], ["b"], (), 1 / 2),
    "a correlation of classes": ("classification", "Matthew-Correlation", THREE, ["joy"], (), 0),
    "numbers": ("classification", "Pearson-Correlation", ["1.0"], ["2.0"], (), 0),
    "options": ("text_to_text", "ACC", FREE, ["dog", "box"], OPTIONS, (1 / 4 + 1 / 2) / 2),
    "letters": ("text_to_text", "ACC", FREE, ["B", "b"], OPTIONS, (1 / 4 + 1 / 2) / 2),
    "no option is the answer": ("text_to_text", "ACC", FREE, ["cow", "sky"], OPTIONS, 0),
    "yes or no": ("text_to_text", "ACC", ["yes", "no"], ["yes"], (), 1 / 2),
    "free answers": ("text_to_text", "EM", FREE, ["answer 1"], (), 0),
}


@pytest.mark.parametrize("case", CHANCE)
def test_a_guess_is_among_classes_or_options(case):
    kind, metric, train, test, texts, level = CHANCE[case]
    assert chance_level(split(metric, train, test, texts), kind) == pytest.approx(level)


def test_options_are_those_that_a_text_ends_with():
    assert lettered_options("vitamin (A) is ? (A) one (B) two") == ["one", "two"]
    assert lettered_options("( A ) no (B) letters") == ()
    assert lettered_options("only (A) one") == ()
    assert lettered_options("out of (A) order (C) here") == ()
