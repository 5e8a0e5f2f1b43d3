"""Tasks of one's own: rows and a card in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mpt.errors import ConfigError, DataError
from mpt.gym.custom_tasks import find_custom_task
from mpt.gym.source import open_gym

CARD = """
family: classification
kind: classification
metric: ACC
shots: 4
rows: {rows}
input: "review: {{text|clean}}"
target: "{{label}}"
"""


def task(home: Path, card: str, **files: str) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    (home / "card.yaml").write_text(card)
    for name, content in files.items():
        (home / name.replace("__", ".")).write_text(content)
    return home


def csv_rows(count: int = 60) -> str:
    lines = [f'"good, ""film"" {row}\n",{"pos" if row % 2 else "neg"}' for row in range(count)]
    return "text,label\n" + "\n".join(lines) + "\n"


def test_csv_rows_become_a_few_shot_task(tmp_path):
    found = find_custom_task(task(tmp_path / "films", CARD.format(rows="r.csv"), r__csv=csv_rows()))
    split = found.split(13)
    assert (len(split.train), len(split.dev), len(split.test)) == (8, 8, 12)
    assert split.train[0].input.startswith('review: good, "film" ')
    assert {example.targets for example in split.test} == {("pos",), ("neg",)}
    assert split == found.split(13)
    assert split.train != found.split(21).train
    assert split.test == found.split(21).test
    assert not {*split.train, *split.dev} & {*split.test}
    assert (found.facts.task, found.facts.shots, found.facts.subfamily) == ("films", 4, "own")


def test_every_format_gives_the_same_task(tmp_path):
    rows = [{"text": f"t {row}", "label": "ab"[row % 2]} for row in range(60)]
    table = ["text\tlabel", *(f"{row['text']}\t{row['label']}" for row in rows)]
    contents = {
        "r__jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "r__tsv": "\n".join(table) + "\n",
        "r__csv": "\n".join(line.replace("\t", ",") for line in table) + "\n",
    }
    splits = []
    for name, content in contents.items():
        card = CARD.format(rows=name.replace("__", "."))
        splits.append(
            find_custom_task(task(tmp_path / name / "same", card, **{name: content})).split(42)
        )
    assert splits[0] == splits[1] == splits[2]


def test_two_files_options_and_several_answers(tmp_path):
    card = """
family: qa
kind: text_to_text
metric: EM
shots: 3
rows: {pool: train.jsonl, test: test.jsonl}
options: {items: choices, letters: alphabet, show: " ({$letter}) {$item}"}
input: "{question}{$options}"
target: {form: answers, path: answers, join: TAB}
"""
    row = {"question": "q\nr", "choices": ["x", "y"], "answers": ["x", "X"]}
    lines = "".join(json.dumps({**row, "n": at}) + "\n" for at in range(7))
    home = task(tmp_path / "quiz", card, train__jsonl=lines, test__jsonl=lines)
    split = find_custom_task(home).split(13)
    assert (len(split.train), len(split.dev), len(split.test)) == (3, 3, 7)
    assert split.test[0].input == "q\nr (A) x (B) y"
    assert split.test[0].targets == ("x", "X")
    assert len(find_custom_task(home, "all").split(13).train) == 4


def test_label_maps_take_numbers_as_keys(tmp_path):
    card = CARD.format(rows="r.csv").replace(
        'target: "{label}"', "target: {form: label_map, path: label, map: {0: bad, 1: good}}"
    )
    rows = "text,label\n" + "".join(f"t{row},{row % 2}\n" for row in range(60))
    split = find_custom_task(task(tmp_path / "maps", card, r__csv=rows)).split(13)
    assert {example.targets[0] for example in split.train} == {"bad", "good"}


@pytest.mark.parametrize("keys", ["{good: great, bad: awful}", "{'good': great, \"bad\": awful}"])
def test_label_maps_take_texts_as_keys(tmp_path, keys):
    card = CARD.format(rows="r.csv").replace(
        'target: "{label}"', f"target: {{form: label_map, path: label, map: {keys}}}"
    )
    rows = "text,label\n" + "".join(f"t{at},{('good', 'bad')[at % 2]}\n" for at in range(60))
    split = find_custom_task(task(tmp_path / "maps", card, r__csv=rows)).split(13)
    assert {example.targets for example in split.train} == {("great",), ("awful",)}


@pytest.mark.parametrize(
    ("keys", "rows", "texts"),
    [
        ("{yes: fine, no: poor}", "yes no", {"fine", "poor"}),
        ("{01: a, 1: b}", "01 1", {"a", "b"}),
        ("{1.5: a, 1e3: b}", "1.5 1e3", {"a", "b"}),
        ("{true: a, false: b}", "true false", {"a", "b"}),
        ("{null: a, '': b}", "null null", {"a"}),
    ],
)
def test_keys_of_a_label_map_are_what_they_look_like(tmp_path, keys, rows, texts):
    card = CARD.format(rows="r.csv").replace(
        'target: "{label}"', f"target: {{form: label_map, path: label, map: {keys}}}"
    )
    labels = rows.split()
    csv = "text,label\n" + "".join(f"t{at},{labels[at % 2]}\n" for at in range(60))
    home = task(tmp_path / "maps", card, r__csv=csv)
    assert {example.targets[0] for example in find_custom_task(home).split(13).train} == texts


def test_a_label_that_the_map_lacks_is_corrected_as_the_error_says(tmp_path):
    card = CARD.format(rows="r.csv").replace(
        'target: "{label}"', "target: {form: label_map, path: label, map: {good: great, bad: poor}}"
    )
    rows = "text,label\n" + "".join(f"t{at},{('good', 'bad')[at % 2]}\n" for at in range(60))
    home = task(tmp_path / "maps", card, r__csv=rows + "x,so so\ny,\n")
    with pytest.raises(DataError) as raised:
        find_custom_task(home).split(13)
    assert str(raised.value) == (
        f"{home}/r.csv:62: label 'so so' at 'label' is none of good, bad; correct that row, or "
        "leave it out with `keep` in card.yaml"
    )
    keep = "keep:\n  - {path: label, op: in, value: [good, bad]}\n"
    (home / "card.yaml").write_text(card + keep)
    assert len(find_custom_task(home).split(13).test) == 12
    keep = "keep:\n  - {path: label, op: ne, value: so so}\n"
    (home / "card.yaml").write_text(card + keep)
    with pytest.raises(DataError, match=r"r.csv:63: the label at 'label' is missing; correct"):
        find_custom_task(home).split(13)


@pytest.mark.parametrize(
    ("condition", "kind"),
    [("{path: label, op: ne, value: 3}", "3"), ("{path: label, op: eq, value: true}", "True")],
)
def test_conditions_that_no_text_can_meet_are_refused(tmp_path, condition, kind):
    card = CARD.format(rows="r.csv") + f"keep:\n  - {condition}\n"
    home = task(tmp_path / "films", card, r__csv=csv_rows())
    with pytest.raises(DataError, match=rf"'label' is the text 'neg' .* the number {kind}; write"):
        find_custom_task(home).split(13)


def test_blanks_around_answers_make_no_other_class(tmp_path):
    rows = [f"t {at}{' ' * (at % 3)},{' ' * (at % 4)}{'ab'[at % 2]}\t" for at in range(60)]
    plain = [f"t {at}{' ' * (at % 3)},{'ab'[at % 2]}" for at in range(60)]
    splits = [
        find_custom_task(
            task(
                tmp_path / name / "same",
                CARD.format(rows="r.csv"),
                r__csv="text,label\n" + "\n".join(lines) + "\n",
            )
        ).split(13)
        for name, lines in (("blanks", rows), ("plain", plain))
    ]
    assert splits[0] == splits[1]


def test_a_card_beside_split_files_names_their_metric(tmp_path):
    card = "{family: qa, kind: text_to_text, metric: EM, shots: 2}"
    home = task(tmp_path / "mine", card)
    for seed in (13, 21, 42, 87, 100):
        for part in ("train", "dev", "test"):
            (home / f"mine_2_{seed}_{part}.tsv").write_text("q\ta\tb\n")
    split = find_custom_task(home).split(87)
    assert (split.metric, split.test[0].targets) == ("EM", ("a", "b"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("metric: ACC", "metric: acc"), r"unknown metric 'acc'"),
        (("shots: 4", "shot: 4"), r"card.yaml: shot: unknown field"),
        (("text|clean", "text|claen"), r"unknown transform 'claen' - did you mean .*'clean'"),
        (("{text|clean}", "{body}"), r"r.csv has no column 'body'; it has text, label"),
        (("r.csv", "s.csv"), r"the rows .*s.csv are missing; put the file there"),
        (("r.csv", "../r.csv"), r"rows '../r.csv' leads out of .*films; put the file itself into"),
        (("r.csv", "/etc/passwd"), r"rows '/etc/passwd' leads out of .*films; put the file"),
        (
            ("r.csv", "."),
            r"rows '.' is not a file in .*films; put the file itself into that folder",
        ),
        (('target: "{label}"', ""), r"with `rows` the card also needs `input` and `target`"),
        (("kind: classification", "kind: class"), r"kind: input should be 'classification' or"),
        (("metric: ACC", "metric: [ACC"), r"card.yaml: cannot be read as YAML"),
        (("shots: 4", "shots: 400"), r"dev is empty: too few rows for k = 400"),
    ],
)
def test_slips_in_a_card_are_named(tmp_path, change, message):
    home = task(tmp_path / "films", CARD.format(rows="r.csv").replace(*change), r__csv=csv_rows())
    with pytest.raises(
        (ConfigError, DataError), match=message.replace("input should", "[Ii]nput should")
    ):
        find_custom_task(home).split(13)


def test_rows_are_not_fetched_through_a_link_that_leads_out(tmp_path):
    home = task(tmp_path / "films", CARD.format(rows="r.csv"))
    (tmp_path / "secret.csv").write_text(csv_rows())
    (home / "r.csv").symlink_to("../secret.csv")
    with pytest.raises(DataError, match=r"rows 'r.csv' leads out of .*films; put the file itself"):
        find_custom_task(home)
    (home / "r.csv").unlink()
    (home / "inner.csv").write_text(csv_rows())
    (home / "r.csv").symlink_to("inner.csv")
    assert len(find_custom_task(home).split(13).train) == 8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "text,label\na\n", r"r.csv:2: 1 fields where the header has 2 \(text, label\)"),
        ("r.jsonl", '{"text": "a", "label": "b"}\n{half\n', r"r.jsonl:2: not JSON"),
        ("r.jsonl", "[1]\n", r"r.jsonl:1: not an object"),
        ("r.jsonl", '{"text": null, "label": "b"}\n', r"r.jsonl:1: null stands where a text"),
        ("r.csv", "text,label\n", r"r.csv: holds a header and no rows"),
        ("r.jsonl", "\n", r"r.jsonl: holds no rows"),
        ("r.jsonl", '{"text": "a", "label": NaN}\n', r"r.jsonl:1: not JSON \(NaN is not a finite"),
        (
            "r.jsonl",
            '{"text": "a", "text": "b"}\n',
            r"r.jsonl:1: not JSON \(the key 'text' is already",
        ),
        ("r.jsonl", '{"text": "a"}\n', r"r.jsonl has no column 'label'; it has text"),
        ("r.csv", "text,Label\na,b\n", r"no column 'label' - did you call it 'Label'\?"),
        ("r.csv", "text,label\na,b\nc,\n", r"r.csv:3: the answer is empty; correct that row, or"),
        ("r.csv", "text,label\na, \n", r"r.csv:2: the answer is empty"),
        ("r.csv", "text,label\na,nan\n", r"r.csv:2: the answer is 'nan', a missing value"),
        ("r.csv", 'text,label\n"a\nb",x\nc,<NA>\n', r"r.csv:4: the answer is '<NA>'"),
        ("r.xlsx", "x", r"rows must be .jsonl, .csv or .tsv; convert the file"),
    ],
)
def test_slips_in_rows_are_named(tmp_path, name, content, message):
    home = task(tmp_path / "films", CARD.format(rows=name))
    (home / name).write_text(content)
    with pytest.raises(DataError, match=message):
        find_custom_task(home).split(13)


def test_own_tasks_stand_beside_others_in_a_gym(tmp_path):
    for name in ("a", "b", "films"):
        task(tmp_path / name, CARD.format(rows="r.csv"), r__csv=csv_rows())
    gym = open_gym(str(tmp_path))
    assert gym.tasks == ("a", "b", "films")
    assert gym.partitions.setting("all").targets == ("a",)
    assert gym.split("films", 13).digest != gym.split("a", 13).digest
    with pytest.raises(
        DataError, match="is one task, not a gym; put its folder beside other tasks"
    ):
        open_gym(str(tmp_path / "films"))
