"""Cards: every official one reads, every slip is named."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from mpt.errors import ConfigError, UnknownName
from mpt.gym.build.catalogue import card, cards, read_card
from mpt.gym.build.checksums import official_md5
from mpt.gym.metrics import METRICS

GOOD = {
    "family": "classification",
    "subfamily": "nli",
    "kind": "classification",
    "shots": 16,
    "metric": "ACC",
    "source": {"dataset": "d", "columns": ["a", "b"]},
    "splits": {"rule": "two_splits", "pool": "train", "test": "validation"},
    "input": "{a|clean} [SEP] {b}",
    "target": {"form": "label_map", "path": "label", "map": {"0": "no", "1": "yes"}},
}


def test_there_are_160_cards_with_known_facts():
    assert len(cards()) == 160
    assert list(cards()) == sorted(cards())
    assert {one.metric for one in cards().values()} == set(METRICS)
    assert {one.kind for one in cards().values()} == {"classification", "text_to_text"}
    assert all(len(official_md5(name, one.shots)) == 15 for name, one in cards().items())
    assert all(one.checksum is not None for one in cards().values())
    assert card("glue-mrpc").facts.metric == "ACC"


def test_the_file_is_readable_and_holds_nothing_else():
    text = files("mpt.gym").joinpath("data/cards.json").read_text(encoding="utf-8")
    assert len(json.loads(text)) == 160
    assert max(map(len, text.splitlines())) < 2500


def test_metrics_agree_with_the_reference(shared):
    known = json.loads((shared / "reference" / "task_metrics.json").read_text())
    assert {name: one.metric for name, one in cards().items()} == known


def test_unknown_task_gets_a_near_miss():
    with pytest.raises(UnknownName, match=r"unknown task 'glue-mrcp' - did you mean .*'glue-mrpc'"):
        card("glue-mrcp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, r"card 't': colour: unknown field"),
        (
            {"source": {"dataset": "d", "column": []}},
            r"source.columns: missing field; source.column",
        ),
        ({"metric": "acc"}, r"card 't': unknown metric 'acc'"),
        ({"metric": "Rogue-L"}, r"unknown metric 'Rogue-L' - did you mean 'Rouge-L'"),
        ({"input": "{a|claen}"}, r"card 't': unknown transform 'claen' - did you mean .*'clean'"),
        ({"input": "{a"}, r"template '{a' has a brace outside a placeholder"),
        ({"input": "{}"}, r"path '' is not of the form"),
        ({"input": "{a|join:COMA}"}, r"transform 'join:COMA' has a wrong argument"),
        ({"input": "{a|strip:2}"}, r"after 'strip' must come 'nothing'"),
        ({"input_post": ["nll"]}, r"unknown transform 'nll'"),
        (
            {"procedure": {"name": "pair_con"}},
            r"unknown procedure 'pair_con' - did you mean 'pair_",
        ),
        (
            {"procedure": {"name": "quarel_answer", "text": "a"}},
            r"takes the fields \['index', 'name'",
        ),
        ({"shots": 0}, r"shots: input should be greater than 0"),
        ({"kind": "ranking"}, r"kind: input should be 'classification' or 'text_to_text'"),
        ({"splits": {"rule": "three_splits"}}, r"splits: input tag 'three_splits'"),
        ({"keep": [{"path": "a", "op": "equals", "value": 1}]}, r"keep.0.op: input should be 'eq'"),
        ({"target": {"form": "text"}}, r"target.text.template: missing field"),
        ({"options": {"items": "a", "letters": "alphabet", "show": "{$item|x}"}}, r"transform 'x'"),
    ],
)
def test_slips_are_named_with_the_card(change, message):
    assert read_card("t", GOOD).task == "t"
    with pytest.raises(ConfigError, match=message) as raised:
        read_card("t", {**GOOD, **change})
    assert str(raised.value).startswith("card 't': ")
    assert "\n" not in str(raised.value)


def test_cards_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        card("boolq").metric = "EM"
