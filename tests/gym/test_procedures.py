"""The eight named procedures on rows made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mpt.gym.build.procedures import PROCEDURES


def run(name: str, row: dict, **fields):
    procedure = PROCEDURES[name]
    procedure.check({"name": name, **fields})
    return procedure.run(row, fields, np.random.RandomState(42))


def test_pair_coin_draws_once_per_row():
    rng = np.random.RandomState(42)
    fields = {"seed": 42, "a": "good", "b": "bad"}
    labels = [
        PROCEDURES["pair_coin"].run({"good": "g", "bad": "b"}, fields, rng)["$label"]
        for _ in range(6)
    ]
    draws = np.random.RandomState(42).random_sample(6)
    assert labels == [0 if draw > 0.5 else 1 for draw in draws]
    assert run("pair_coin", {"good": "g", "bad": "b"}, **fields) == {
        "$first": "b",
        "$second": "g",
        "$label": 1,
    }


def test_sciq_shuffle_is_that_of_a_list_of_texts():
    row = {"d1": "w", "d2": "x", "d3": "y", "c": "z"}
    texts = ["w", "x", "y", "z"]
    np.random.RandomState(42).shuffle(texts)
    found = PROCEDURES["sciq_shuffle"].run(
        row, {"seed": 42, "items": ("d1", "d2", "d3", "c")}, np.random.RandomState(42)
    )
    assert found == {"$items": texts}


def test_acronym_tags_need_exactly_one_of_each():
    tokens = ["support", "vector", "machine", "(", "SVM", "x", ")"]
    fields = {"tokens": "tokens", "tags": "tags"}
    row = {"tokens": tokens, "tags": [0, 2, 2, 4, 1, 3, 4]}
    assert run("acronym_tags", row, **fields) == {
        "$acronym": "SVM x",
        "$full_name": "support vector machine",
    }
    assert run("acronym_tags", {**row, "tags": [0, 2, 2, 4, 4, 4, 4]}, **fields) is None
    assert run("acronym_tags", {**row, "tags": [0, 2, 0, 4, 1, 4, 4]}, **fields) is None


@pytest.mark.parametrize(
    ("votes", "label"),
    [([1, 1, 2], 1), ([2], 2), ([0, 1, 2], None), ([0, 0, 1, 1], None), ([], None)],
)
def test_majority_label_drops_ties(votes, label):
    found = run("majority_label", {"v": {"label": votes}}, votes="v.label")
    assert found == (None if label is None else {"$label": label})


def test_hotpot_support_keeps_the_order_of_the_context():
    row = {
        "supporting_facts": {"title": ["B", "A", "B"], "sent_id": [0, 0, 1]},
        "context": {"title": ["A", "X", "B"], "sentences": [["a1.", " a2."], ["x"], ["b1. "]]},
    }
    assert run("hotpot_support", row) == {"$context": "a1. a2. b1."}


@pytest.mark.parametrize(
    ("text", "index", "answer"),
    [
        ("Is it (A) hot or (B) cold?", 0, "hot"),
        ("Is it (A) hot or (B) cold?", 1, "cold?"),
        ("no options", 1, "options"),
        ("(A) door (B) x", 0, "do"),  # the official cut, right or wrong
    ],
)
def test_quarel_answer_is_cut_out(text, index, answer):
    row = {"q": text, "i": index}
    assert run("quarel_answer", row, text="q", index="i") == {"$answer": answer}


def test_math_qa_options_are_cut_at_every_comma():
    fields = {"options": "o", "correct": "c"}
    row = {"o": "a ) 38 , b ) 27 , c ) 5 , d ) 4 , e ) none", "c": "b"}
    found = run("math_qa_options", row, **fields)
    assert found == {"$options": " (A) 38 (B) 27 (C) 5 (D) 4 (E) none", "$answer": "27"}
    assert (
        run("math_qa_options", {"o": "a ) 1 , b ) , c ) 2 , d ) 3 , e ) 4", "c": "b"}, **fields)
        is None
    )
    with pytest.raises(ValueError, match="2 options where five are needed"):
        run("math_qa_options", {"o": "a, b", "c": "a"}, **fields)
    with pytest.raises(ValueError, match="correct option is 'f'"):
        run("math_qa_options", {**row, "c": "f"}, **fields)


def test_wiki_bio_table_ends_in_a_blank():
    fields = {"header": "h", "content": "c"}
    row = {"h": ["name", "born"], "c": [" Ada \nL ", "1815"]}
    assert run("wiki_bio_table", row, **fields) == {"$table": "name: Ada  L [n] born: 1815 [n] "}
    assert run("wiki_bio_table", {"h": ["a"], "c": []}, **fields) is None


def test_every_procedure_is_documented():
    assert len(PROCEDURES) == 8
    assert all(procedure.run.__doc__ for procedure in PROCEDURES.values())
