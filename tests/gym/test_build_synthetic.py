"""All 160 cards on made-up rows: official format for what fits, a named row for what does not."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from synthetic_rows import HeldRows, splits_of, synthetic, text

from mpt.errors import DataError
from mpt.gym.build.catalogue import cards
from mpt.gym.build.conform import conform
from mpt.gym.build.mapping import map_rows
from mpt.gym.build.task import BuildPlan, build_task
from mpt.gym.splits import PARTS, SEEDS
from mpt.gym.tsv_task import find_tsv_task

ALL = list(cards().values())


def mapped(card, source: HeldRows, split: str) -> list[bytes]:
    """The lines of a split as bytes, without the builder."""
    given = source.split(card.source, split)
    assert given is not None
    lines = map_rows(card, conform(card, split, given), split)
    return [f"{line}\t{target}\n".encode() for line, target in lines]


@pytest.mark.parametrize("card", ALL, ids=lambda card: card.task)
def test_every_card_builds_on_rows_that_fit(card, tmp_path):
    sizes = {split: 90 if at == 0 else 25 for at, split in enumerate(splits_of(card))}
    source = synthetic(card, sizes, seed=0)
    outcome = build_task(card, BuildPlan(source, tmp_path))
    assert (outcome.state, outcome.files) in (("built", 15), ("short", 15)), outcome
    assert {path.name for path in tmp_path.iterdir()} == {card.task}
    lines = Counter(line for split in sizes for line in mapped(card, source, split))
    for seed in SEEDS[:2]:
        stem = tmp_path / card.task / f"{card.task}_{card.shots}_{seed}"
        train, dev, test = (
            stem.with_name(f"{stem.name}_{part}.tsv").read_bytes() for part in PARTS
        )
        found = _split_back(train, lines) + _split_back(dev, lines)
        assert found <= lines, "train and dev share a line of the pool"
        assert _split_back(test, lines) <= lines
    if card.kind == "text_to_text":
        assert len(_as_list(train, lines)) == min(32, _pool_size(card, source))


@pytest.mark.parametrize("card", ALL[::8], ids=lambda card: card.task)
def test_few_rows_one_class_and_none_at_all(card, tmp_path):
    for size in (0, 1, 3):
        source = synthetic(card, dict.fromkeys(splits_of(card), size), seed=size)
        outcome = build_task(card, BuildPlan(source, tmp_path / str(size), "all"))
        assert outcome.state in ("built", "short"), outcome
        assert len(list((tmp_path / str(size) / card.task).glob("*.tsv"))) == 15


@pytest.mark.parametrize("card", ALL, ids=lambda card: card.task)
def test_rows_that_do_not_fit_are_named(card, tmp_path):
    draw = Random(card.task)
    source = synthetic(card, dict.fromkeys(splits_of(card), 12), seed=1)
    for rows in source.held.values():
        for number in range(3, 12):
            column = draw.choice(sorted(rows[number]))
            rows[number][column] = draw.choice(
                (None, 7.25, [], {}, ["x"], {"y": 1}, text(draw), -99)
            )
    outcome = build_task(card, BuildPlan(source, tmp_path))
    if outcome.state == "failed":
        assert re.match(rf"{re.escape(card.task)}: split '\w+', (row|line) \d+: ", outcome.note)
        assert list(tmp_path.iterdir()) == []


def test_mapping_errors_name_task_split_row_and_reason():
    card = cards()["glue-rte"]
    rows = [{"sentence1": "a", "sentence2": "b", "label": 0}, {"sentence1": "a", "label": 0}]
    with pytest.raises(
        DataError, match=r"glue-rte: split 'train', row 1: path 'sentence2' finds no"
    ):
        list(map_rows(card, rows, "train"))
    rows[1] = {"sentence1": None, "sentence2": "b", "label": 0}
    with pytest.raises(DataError, match="row 1: null stands where a text is needed"):
        list(map_rows(card, rows, "train"))
    rows[1] = {"sentence1": "a", "sentence2": "b", "label": 5}
    with pytest.raises(
        DataError, match=r"label 5 at 'label' is none of 0, 1; the card was written"
    ):
        list(map_rows(card, rows, "train"))


def test_a_built_task_with_newlines_reads_back_whole(tmp_path):
    card = cards()["boolq"]
    rows = [{"question": f"q\n{at}", "passage": "p\r\n", "answer": at % 2 == 0} for at in range(80)]
    source = HeldRows({"train": rows, "validation": rows[:9]})
    assert build_task(card, BuildPlan(source, tmp_path)).files == 15
    split = find_tsv_task(tmp_path / "boolq", card.facts).split(13)
    assert (len(split.train), len(split.dev), len(split.test)) == (32, 32, 9)
    assert split.test[1].input == "question: q\n1 [SEP] context: p\r\n"
    assert split.test[1].targets == (dict(card.target.map)["0"],)


def _pool_size(card, source: HeldRows) -> int:
    first = splits_of(card)[0]
    size = len(mapped(card, source, first))
    rule = card.splits.rule
    return int(0.8 * size) if rule == "one_split" else size


def _as_list(content: bytes, lines: Counter) -> list[bytes]:
    """The mapped lines that ``content`` is made of, longest first where one begins another."""
    found = []
    known = sorted(lines, key=len, reverse=True)
    while content:
        line = next(line for line in known if content.startswith(line))
        found.append(line)
        content = content[len(line) :]
    return found


def _split_back(content: bytes, lines: Counter) -> Counter:
    return Counter(_as_list(content, lines))
