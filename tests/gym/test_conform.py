"""Newer copies of a data set, brought back to the rows of 2021."""

from __future__ import annotations

import pytest

from mpt.errors import DataError
from mpt.gym.build.catalogue import card
from mpt.gym.build.conform import conform
from mpt.gym.build.rows import SplitRows


def given(rows: list[dict], names: dict | None = None) -> SplitRows:
    columns = tuple(rows[0]) if rows else ()
    return SplitRows("copy", len(rows), columns, names or {}, iter(rows))


def rte(labels: list, names: tuple[str, ...] | None) -> list:
    rows = [{"sentence1": "a", "sentence2": "b", "label": label} for label in labels]
    declared = {"label": names} if names is not None else {}
    return [row["label"] for row in conform(card("glue-rte"), "train", given(rows, declared))]


@pytest.mark.parametrize(
    ("labels", "names", "official"),
    [
        ([0, 1, -1], ("entailment", "not_entailment"), [0, 1, -1]),
        ([0, 1, -1], ("not_entailment", "entailment"), [1, 0, -1]),
        ([0, 1, 2], ("neither", "not_entailment", "entailment"), [2, 1, 0]),
        ([0, 1], ("0", "1"), [0, 1]),
        ([0, 1], None, [0, 1]),
        ([0, 1], ("Entailment", "not entailment"), [0, 1]),
        (["entailment", "not_entailment"], None, [0, 1]),
    ],
)
def test_class_ids_are_mapped_by_name(labels, names, official):
    assert rte(labels, names) == official


def test_a_changed_label_set_is_an_error():
    with pytest.raises(
        DataError, match=r"glue-rte: the label set of 'label' in copy has changed: it h"
    ):
        rte([0], ("yes", "no"))


def test_renamed_columns_and_reordered_classes_of_trec():
    names = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
    rows = [{"text": "t", "coarse_label": label} for label in range(6)]
    trec = card("trec")
    found = list(conform(trec, "train", given(rows, {"coarse_label": names})))
    assert [dict(trec.target.map)[str(row["label-coarse"])] for row in found] == list(names)
    found = list(conform(trec, "train", given(rows)))
    assert [dict(trec.target.map)[str(row["label-coarse"])] for row in found] == list(names)
    official = [{"text": "t", "label-coarse": label} for label in range(6)]
    assert list(conform(trec, "train", given(official))) == official


def test_the_official_order_is_put_back():
    google = card("lama-google_re")
    order = google.source.restore.group_order.values
    rows = [
        {**dict.fromkeys(google.source.columns, "x"), "pred": pred, "sub_label": str(at)}
        for at, pred in enumerate((order[2], order[0], order[1], order[0]))
    ]
    found = [row["sub_label"] for row in conform(google, "train", given(rows))]
    assert found == ["1", "3", "2", "0"]
    rows[1]["pred"] = "/other"
    with pytest.raises(
        DataError, match=r"split 'train', row 1: 'pred' is '/other', an unknown group"
    ):
        list(conform(google, "train", given(rows)))


def test_rows_are_sorted_stably_by_their_text():
    race = card("race-high")
    rows = [
        {**dict.fromkeys(race.source.columns, ""), "example_id": name, "question": str(at)}
        for at, name in enumerate(("high10.txt", "high1.txt", "high10.txt", "high2.txt"))
    ]
    found = [row["question"] for row in conform(race, "train", given(rows))]
    assert found == ["1", "0", "2", "3"]


def test_blanks_around_texts_are_removed_where_the_card_says():
    squad = card("squad-no_context")
    row = {"question": " q ", "answers": {"text": [" a", "b "], "answer_start": [1, 2]}}
    (found,) = conform(squad, "train", given([row]))
    assert found["question"] == "q"
    assert found["answers"] == {"text": ["a", "b"], "answer_start": [1, 2]}


def test_a_missing_column_lists_those_there_are():
    with pytest.raises(
        DataError, match=r"copy has no column 'sentence1', 'sentence2'; it has label, p"
    ):
        conform(card("glue-rte"), "train", given([{"label": 0, "premise": "x"}]))
