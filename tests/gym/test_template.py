"""Paths, templates and transforms, one pencil case each."""

from __future__ import annotations

import pytest

from mpt.gym.build.template import Path, Template
from mpt.gym.build.transforms import TRANSFORMS, Step

ROW = {
    "a": {"b": "x"},
    "list": ["p", "q"],
    "answers": {"text": ["t1", "t2"], "start": [1, 2]},
    "output": [{"answer": "o1"}, {"answer": "o2"}],
    "Parses": {"Answers": [{"Name": [["m"], ["n", "o"]]}, {"Name": []}]},
    "records": [{"Name": [["m"], ["n", "o"]]}, {"Name": [["z"]]}],
    "n": 3,
    "f": 0.5,
    "flag": True,
    "none": None,
    "question-X": "hyphen",
    "s": 1,
    "e": -1,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", "x"),
        ("list.1", "q"),
        ("answers.text", ["t1", "t2"]),
        ("answers[].text", ["t1", "t2"]),
        ("output.answer", ["o1", "o2"]),
        ("output[].answer", ["o1", "o2"]),
        ("Parses.Answers[].Name[][]", ["m", "n", "o"]),
        ("records[].Name[][]", ["m", "n", "o", "z"]),
        ("records[].Name[]", [["m"], ["n", "o"], ["z"]]),
        ("question-X", "hyphen"),
    ],
)
def test_paths(path, value):
    assert Path.parse(path)(ROW) == value


@pytest.mark.parametrize("path", ["a.c", "zzz", "list.7", "answers[].no", "a.b.c"])
def test_a_missing_path_says_which(path):
    with pytest.raises(ValueError, match=r"path '.*' finds no|stands where a list is needed"):
        Path.parse(path)(ROW)


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a]", "[]", "a[]b"])
def test_paths_of_another_form_are_refused(path):
    with pytest.raises(ValueError, match="is not of the form"):
        Path.parse(path)


def test_templates_keep_every_blank_and_spell_numbers():
    row = {**ROW, "$options": " (A) x"}
    assert Template.parse(" q: {a.b}  {n}{$options} {f} {flag} ")(row) == " q: x  3 (A) x 0.5 True "
    assert Template.parse("{list|join:COMMA}|{n|plus1}")(ROW) == "p, q|4"
    assert Template.parse("{a.b|put_subject:n}{list}").columns == {"a", "n", "list"}
    with pytest.raises(ValueError, match="null stands where a text is needed"):
        Template.parse("{none}")(ROW)
    with pytest.raises(ValueError, match="a list stands where a text is needed"):
        Template.parse("{list}")(ROW)


CASES = [
    ("strip", "\u3000 a b\n", "a b"),
    ("nl", "a\nb\r\n", "a b\r "),
    ("nrt", "a\nb\rc\td", "a b c d"),
    ("literal_nl", "a\\nb\n", "a b\n"),
    ("row_marker", "a\nb", "a [n] b"),
    ("clean", " a \\n\n b\u2028\x1fc\xa0\x85", "a b c"),
    ("clean_keep_backslash_n", " a \\n\n b ", "a \\n b"),
    ("comma_word", "a_comma_ b_comma_", "a, b,"),
    ("strip_quote", "''it's''", "it's"),
    ("mask_angle", "a <mask> b", "a [MASK] b"),
    ("put_subject:a.b", "[X] is [X]", "x is x"),
    ("mask_object", "is [Y].", "is [MASK]."),
    ("drop_intermediate", "Intermediate  Intermediate  a", "Intermediate  a"),
    ("squeeze_lower", "The Cat\tIS", "thecat\tis"),
    ("join:SPACE", ["a", "b"], "a b"),
    ("join:COMMA", ["a", "b"], "a, b"),
    ("join:SEP", ["a", "b"], "a [SEP] b"),
    ("join:TAB", ["a", "b"], "a\tb"),
    ("join:NONE", [], ""),
    ("chars:0:1", "A)12", "A"),
    ("chars:2:", "A)12", "12"),
    ("chars:2:", "A", ""),
    ("span:s:e", "abcd", "bc"),
    ("plus1", 4, 5),
    ("int", 4.0, 4),
    ("int", " 7 ", 7),
]


@pytest.mark.parametrize(("step", "value", "expected"), CASES)
def test_transforms(step, value, expected):
    assert Step.parse(step)(value, lambda column: Path.parse(column)(ROW)) == expected


def test_every_transform_has_a_case():
    assert {step.partition(":")[0] for step, _, _ in CASES} == set(TRANSFORMS)


def test_whole_numbers_are_needed_where_said():
    with pytest.raises(ValueError, match=r"4.5 stands where a whole number is needed"):
        Step.parse("int")(4.5, lambda column: None)
