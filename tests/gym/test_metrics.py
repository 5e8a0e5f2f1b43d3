"""Every metric against published scores, pencil cases and its error messages."""

from __future__ import annotations

import gzip
import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpt.errors import DataError, UnknownName
from mpt.gym.metrics import METRICS, can_still_match, is_possible, normalize, score
from mpt.gym.rouge import rouge_l_f


def test_published_predictions_score_as_published(shared):
    with gzip.open(shared / "reference" / "published_predictions.jsonl.gz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) >= 30
    for one in records:
        ours = score(one["metric"], one["predictions"], one["gold"])
        assert ours == pytest.approx(one["score"], abs=1e-9), (one["task"], one["seed"], one["lr"])


@pytest.mark.parametrize(
    ("metric", "predictions", "targets", "expected"),
    [
        ("ACC", ["Yes", "no ", "maybe"], [["yes"], ["no"], ["no", "MAYBE"]], 2 / 3),
        ("EM", ["The  cat.", "a", "dog"], [["cat"], ["the"], ["cats", "Dog!"]], 1.0),
        ("EM", ["theatre"], [["atre"]], 0.0),
        ("QA-F1", ["the big cat", "x", ""], [["big dog", "cat big"], ["y"], [""]], 1 / 3),
        ("QA-F1", ["big red big"], [["big"]], 0.5),
        (
            "Classification-F1",
            ["a", "b", "b", "zzz"],
            [["a"], ["b"], ["b"], ["a"]],
            (2 / 3 + 1) / 3,
        ),
        ("Classification-F1", ["b"], [["a", "b"]], 0.0),
        ("Matthew-Correlation", ["acceptable ", "no"], [["acceptable"], ["unacceptable"]], 1.0),
        ("Matthew-Correlation", ["acceptable"] * 2, [["acceptable"], ["unacceptable"]], 0.0),
        ("Pearson-Correlation", ["1", " 2.0", "4"], [["10"], ["20"], ["40"]], 1.0),
        ("Rouge-L", ["...", "!?", ""], [["a"], ["b"], ["c"]], 0.0),
        ("Rouge-L", ["a b c"], [["x", "a b c"]], 1 - 5e-9),
    ],
)
def test_pencil_cases(metric, predictions, targets, expected):
    assert score(metric, predictions, targets) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [  # computed with the package rouge 1.0.1
        ("the cat sat on the mat", "the cat lay on the mat", 0.7999999950000002),
        ("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5", 0.6153846106508877),
        ("price is 3.50 now. Now!", "price was 3.50. now", 0.7272727223140496),
        ("b a", "a b", 0.4999999950000001),
        ("A man. A plan. A canal", "a man a plan", 0.5714285665306124),
    ],
)
def test_rouge_is_that_of_the_official_package(prediction, answer, expected):
    assert rouge_l_f(prediction, answer) == pytest.approx(expected, abs=1e-12)


def test_rouge_without_a_sentence_is_zero():
    assert rouge_l_f("words", "...") == 0.0
    assert rouge_l_f("", "words") == 0.0


@pytest.mark.parametrize("predictions", [["1", "two", "3"], ["1", "nan", "3"], ["2", "2", "2"]])
def test_undefined_correlation_is_nan(predictions):
    assert math.isnan(score("Pearson-Correlation", predictions, [["1"], ["2"], ["3"]]))


def test_normalize_keeps_words_that_contain_articles():
    assert normalize("An  Apple, the Theory; a banana") == "apple theory banana"


TEXTS = st.text(alphabet="aAtThHeEnN xX.,'-ßİΣσé", max_size=8)


@settings(max_examples=400)
@given(begun=TEXTS, rest=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=3))
@example(begun="İA", rest="", answers=[""])
@example(begun="x–a", rest="", answers=[""])
@pytest.mark.parametrize("metric", ["ACC", "EM"])
def test_what_cannot_match_any_more_never_does(metric, begun, rest, answers):
    """Whatever follows; an answer that the whole text equals is thrown in, to hit often."""
    for golds in (answers, [*answers, begun + rest], [(begun + rest).upper()]):
        if score(metric, [begun + rest], [golds]) > 0:
            assert can_still_match(metric, begun, golds)


def test_wrong_beginnings_are_seen_early():
    assert not can_still_match("ACC", "pos", ["negative", "neutral"])
    assert can_still_match("ACC", "POS", ["negative", "positive"])
    assert not can_still_match("EM", "the dog ran", ["cat ran", "A dog sat"])
    assert can_still_match("EM", "The d", ["dog"])
    assert can_still_match("EM", "dog th", ["dog"])
    assert not can_still_match("EM", "dog tx", ["dog"])
    assert all(
        can_still_match(name, "no", ["yes"]) for name in METRICS if name not in ("ACC", "EM")
    )
    with pytest.raises(UnknownName, match="did you mean 'ACC'"):
        can_still_match("acc", "", [])


def test_errors_name_the_cause():
    with pytest.raises(UnknownName, match="unknown metric 'rouge-l' - did you mean 'Rouge-L'"):
        score("rouge-l", ["a"], [["a"]])
    with pytest.raises(DataError, match="ACC: 1 predictions for 2 rows of targets"):
        score("ACC", ["a"], [["a"], ["b"]])
    with pytest.raises(DataError, match="ACC: no rows to score"):
        score("ACC", [], [])
    with pytest.raises(DataError, match=r"EM: row 1 has \[\] as targets"):
        score("EM", ["a", "b"], [["a"], []])
    with pytest.raises(DataError, match="row 0 has 'a' as targets"):
        score("EM", ["a"], ["a"])
    with pytest.raises(DataError, match="row 0 has the gold answer 'x', which is no number"):
        score("Pearson-Correlation", ["1", "2"], [["x"], ["2"]])


@pytest.mark.parametrize(
    ("metric", "value", "possible"),
    [
        *(("ACC", 1.0, True), ("ACC", 1.0000000000000002, True), ("ACC", 1.01, False)),
        *(("ACC", -0.1, False), ("Matthew-Correlation", -1.0, True), ("EM", 62.0, False)),
        *(("Pearson-Correlation", -0.3, True), ("Pearson-Correlation", -1.1, False)),
        *((None, -0.5, True), (None, 1.5, False), (None, float("nan"), False)),
    ],
)
def test_a_score_lies_in_the_range_of_its_metric(metric, value, possible):
    assert is_possible(metric, value) is possible
