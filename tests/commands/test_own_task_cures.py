"""What an error of a task of one's own says is to be done: done, and the task is read."""

from __future__ import annotations

import json

import pytest
from terminal import mpt

CARD = """\
family: classification
kind: classification
metric: ACC
shots: 2
rows: rows.jsonl
input: "{text}"
target: "{label}"
"""
ROWS = [{"text": f"film {n}", "label": ("yes", "no")[n % 2]} for n in range(12)]
LINES = [json.dumps(row) for row in ROWS]
WHOLE = "\n".join(LINES) + "\n"


def first(line):
    """The rows, the first one written so."""
    return "\n".join([line, *LINES[1:]]) + "\n"


CURES = {
    # card, rows, what is to be done, the same two with that done
    "a key twice": (
        CARD,
        first('{"text": "film 0", "label": "no", "label": "yes"}'),
        "keep one); correct that line",
        CARD,
        WHOLE,
    ),
    "no answer": (
        CARD,
        first('{"text": "film 0", "label": ""}'),
        "correct that row, or leave it out with `keep` in card.yaml",
        CARD + "keep: [{path: label, op: ne, value: ''}]\n",
        first('{"text": "film 0", "label": ""}'),
    ),
    "null": (
        CARD,
        first('{"text": "film 0", "label": null}'),
        "correct that row",
        CARD,
        WHOLE,
    ),
    "no number": (
        CARD,
        first('{"text": "film 0", "label": NaN}'),
        "leave the value out",
        CARD,
        WHOLE,
    ),
    "another column": (
        CARD.replace("{text}", "{txt}"),
        WHOLE,
        "did you call it 'text'?",
        CARD,
        WHOLE,
    ),
    "too few rows": (
        CARD.replace("shots: 2", "shots: 20"),
        WHOLE,
        "give more rows or fewer `shots`",
        CARD,
        WHOLE,
    ),
    "octal": (
        CARD.replace("shots: 2", "shots: 02"),
        WHOLE,
        "write the number without leading zeros",
        CARD,
        WHOLE,
    ),
    "a key of the card twice": (CARD + "metric: EM\n", WHOLE, "keep one", CARD, WHOLE),
    "an unknown key": (CARD + "zork: 1\n", WHOLE, "zork: unknown field", CARD, WHOLE),
    "an unknown metric": (
        CARD.replace("ACC", "acc"),
        WHOLE,
        "did you mean 'ACC'",
        CARD,
        WHOLE,
    ),
    "a file elsewhere": (
        CARD.replace("rows.jsonl", "../rows.jsonl"),
        WHOLE,
        "put the file itself into that folder",
        CARD,
        WHOLE,
    ),
    "an array": (
        CARD,
        json.dumps(ROWS),
        'not an object such as {"text": "..."}',
        CARD,
        WHOLE,
    ),
}


@pytest.mark.parametrize("case", CURES)
def test_the_cure_helps(tmp_path, case):
    card, rows, cure, mended_card, mended_rows = CURES[case]
    folder = tmp_path / "gym" / "films"
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(card)
    (folder / "rows.jsonl").write_text(rows)
    words = ("gym", "show", "films", "--gym", tmp_path / "gym", "--json")
    said = mpt(*words, home=tmp_path / "home")
    assert said.code == 2
    assert cure in said.error
    (folder / "card.yaml").write_text(mended_card)
    (folder / "rows.jsonl").write_text(mended_rows)
    said = mpt(*words, home=tmp_path / "home")
    assert said.code == 0, said.err
    assert json.loads(said.out)["labels"] == ["no", "yes"]
