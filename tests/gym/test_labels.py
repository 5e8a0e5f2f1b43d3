"""The labels among which answers are chosen."""

from __future__ import annotations

import numpy as np

from mpt.gym.labels import label_reader
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit

FILMS = (Example("dull", ("bad",)), Example("fine", ("good",)))
NEW = (Example("odd", ("mixed", "bad")),)
SUMS = (
    Example("1 + 1 ? (A) two (B) three", ("two",)),
    Example("1 + 2 ? (A) four (B) five (C) three", ("three", "3")),
)


def split(train, test, task="task"):
    return FewShotSplit(task, "ACC", 13, train, train, test)


def test_labels_of_a_classification_are_the_answers_of_all_its_rows():
    read = label_reader(split(FILMS, NEW), "classification")
    assert read is not None
    assert list(read(FILMS[0])) == list(read(NEW[0])) == ["bad", "good", "mixed"]


def test_a_text_task_whose_answers_are_lettered_options_has_those_of_each_row():
    read = label_reader(split(SUMS, SUMS), "text_to_text")
    assert read is not None
    assert [list(read(one)) for one in SUMS] == [["two", "three"], ["four", "five", "three"]]


def test_answers_are_free_where_one_row_does_not_offer_its_answer():
    for odd in ("1 + 3 ?", "1 + 3 ? (A) five (B) six", "1 + 3 ? (A) four. (B) six"):
        assert label_reader(split(SUMS, (*SUMS, Example(odd, ("four",)))), "text_to_text") is None


def encode(texts, limit, role="input"):
    return [np.array([*map(ord, text[: limit - 1]), 1]) for text in texts]


def test_questions_have_choices_where_they_are_scored_by_labels():
    films = TokenSplit(split(FILMS, NEW), encode, 9, 9, kind="classification")
    asked = films.questions("dev", scoring="labels")
    assert [choice.texts for choice in asked.choices] == [("bad", "good", "mixed")] * 2
    assert [list(ids) for ids in asked.choices[0].ids] == [
        list(ids) for ids in encode(["bad", "good", "mixed"], 9)
    ]
    assert (asked.scoring, films.questions("dev").scoring) == ("labels", "generation")
    sums = TokenSplit(split(SUMS, SUMS), encode, 99, 9)
    assert [len(choice.ids) for choice in sums.questions("test", 1, "labels").choices] in ([2], [3])


def test_questions_with_free_answers_are_generated_whatever_is_wanted():
    films = TokenSplit(split(FILMS, NEW), encode, 9, 9)
    assert not films.has_labels
    assert films.questions("test", scoring="labels") == films.questions("test")
