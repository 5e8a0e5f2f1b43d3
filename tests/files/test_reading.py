"""What stands in a file is what is read, or one line that says where it is not."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mpt.files.reading import lines_of, parse_json, parse_yaml, read_json, read_yaml, text_of
from mpt.study.study_file import read_study

SIGNS = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"
)
TEXTS = st.text(SIGNS, max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, indent=1, ensure_ascii=False)) == value


@given(VALUES)
def test_quoted_yaml_is_read_as_it_was_written(value):
    # every JSON text without blanks in front is YAML; its texts stand in quotes
    assert parse_yaml(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_one_line(content):
    for read in (parse_yaml, lambda given: parse_json(text_of(given))):
        try:
            read(content)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017


@given(
    st.text(st.sampled_from("a1:-_0.~!&*{}[]<>#'\"\n\t ?%@`|eExXnoyf\x85\u2028\u200b"), max_size=24)
)
def test_any_text_is_a_value_or_one_line(text):
    for read in (lambda given: parse_yaml(given.encode()), parse_json):
        try:
            read(text)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("n", "n")),
        *(("1e-3", 0.001), ("3.0e-5", 3e-5), (".5", 0.5), ("1.", 1.0), ("-2", -2), ("+3", 3)),
        *(("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("1.2.3", "1.2.3"), ("=", "=")),
        *(("true", True), ("TRUE", True), ("False", False), ("null", None), ("", None)),
        *(("tRUE", "tRUE"), ("'012'", "012"), ('"~"', "~"), ("0", 0), ("0.5", 0.5)),
    ],
)
def test_a_word_of_yaml_is_what_it_looks_like(text, value):
    found = parse_yaml(f"key: {text}".encode())
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 012", "line 1: 012 may be read as octal; write the number without leading zeros"),
        ("a: 1\nb: -012", "line 2: -012 may be read as octal"),
        ("a: 0x1F", "line 1: 0x1F is not a decimal number"),
        ("a: 1_000", "line 1: 1_000 may be read as text; write digits only, or '1_000' in quotes"),
        ("a: ~", "line 1: ~ is null in YAML but a folder in a shell; write null"),
        ("a: .inf", "line 1: .inf is not a finite number"),
        ("a: -.NaN", "line 1: -.NaN is not a finite number"),
        ("a: 1e999", "line 1: 1e999 is not a finite number"),
        ("a: " + "9" * 5000, "line 1: a number of 5000 digits; write a shorter one"),
        ("b: {c: 1}\n<<: {a: 1}", "line 2: '<<' would merge in another mapping"),
        ("a: !!str 1", "line 1: the tag 'tag:yaml.org,2002:str' is not supported; remove it"),
        ("a: 1\nb: !x [1]", "line 2: the tag '!x' is not supported"),
        ("? [a]\n: b", "line 1: a key must be a text"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is already in line 1; keep one"),
        ("x: {a: 1, b: {c: 1,\n c: 2}}", "line 2: the key 'c' is already in line 1"),
        ("0: a\n'0': b", "line 2: the key '0' is already in line 1"),
        ("a: 1\n--- \nb: 2", "line 2, column 1: a second document begins here; keep one"),
        ("a:\n\t- 1", "line 2, column 1: found character '\\t'"),
        ("a: &x [*x]", "its values are nested too deeply"),
        ("a: b\x07", "line 1: contains the control character U+0007; remove it"),
        ("a: b\nc: d\0", "line 2: contains a NUL"),
        (
            "a: 'b\u2028c'",
            "line 1: U+2028 is invisible and ends a line in YAML; remove it, or write it as",
        ),
        ('a: "\\ud800"', "line 1: '\\ud800' is half of a character"),
    ],
)
def test_yaml_that_is_not_what_it_looks_like_is_refused(text, said):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the wording is what is tested
        parse_yaml(text.encode())
    assert str(error.value).startswith(said)


def test_the_cure_of_a_line_separator_works():
    assert parse_yaml(b'a: "b\\Lc\\Nd\\Pe"') == {"a": "b\u2028c\x85d\u2029e"}


def test_aliases_are_read_but_not_without_end():
    assert parse_yaml(b"a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}
    bomb = "\n".join(
        f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 10) if i else '1'}]" for i in range(9)
    )
    with pytest.raises(ValueError, match="more than 100000 values"):
        parse_yaml(bomb.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n"b": {"a": 2},\n"a": 3}', "line 3: the key 'a' is already in line 1"),
        ('{"\\u0061": 1, "a": 2}', "line 1: the key 'a' is already in line 1"),
        ('[{"x": [{"y": "{,:"}],\n "x": 2}]', "line 2: the key 'x' is already in line 1"),
        ('{"a": 1,\n"b": NaN}', "line 2: NaN is not a finite number"),
        ("[-Infinity]", "line 1: -Infinity is not a finite number"),
        ("[1,\n1e999]", "line 2: 1e999 is not a finite number"),
        ("[" + "9" * 5000 + "]", "line 1: a number of 5000 digits"),
        ('{"a": 1}\n2', "line 2, column 1: Extra data"),
        ("", "line 1, column 1: Expecting value"),
        ("[" * 100_000, "its values are nested too deeply"),
        ('["\\ud83d\\ude00",\n"\\ud800"]', "line 2: '\\ud800' is half of a character"),
    ],
)
def test_json_that_is_not_what_it_looks_like_is_refused(text, said):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the wording is what is tested
        parse_json(text)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_files_are_utf8_with_or_without_a_mark(read, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xbc"}')
    assert read(file) == {"a": "ü"}
    file.write_bytes(b'\xef\xbb\xbf{"a":\n"\xfc"}')
    with pytest.raises(ValueError, match="line 2: byte 0xfc is not UTF-8; save the text in that"):
        read(file)
    file.write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(ValueError, match="line 1: byte 0xff is not UTF-8"):
        read(file)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"))))
def test_lines_end_at_line_feeds_alone(lines):
    text = "".join(f"{line}\n" for line in lines)
    wanted = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")[:-1]]
    assert lines_of(text.encode()) == wanted


def test_a_last_line_needs_no_line_end():
    assert lines_of(b"a\x0cb\r\n\xe2\x80\xa8c") == ["a\x0cb", "\u2028c"]
    assert lines_of(b"") == []
    assert lines_of(b"\n") == [""]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("trials: true", "'trials' is True: input should be a valid integer"),
        ("trials: '3'", "'trials' is '3': input should be a valid integer"),
        ("trials: 3.0", "'trials' is 3.0: input should be a valid integer"),
        ("outer: {lr: '1e-3'}", "'outer.lr' is '1e-3': input should be a valid number"),
        ("outer: {lr: true}", "'outer.lr' is True: input should be a valid number"),
        (
            "backbone: {prepend_task_name: yes}",
            "'backbone.prepend_task_name' is 'yes': give true or false",
        ),
        (
            "backbone: {prepend_task_name: 1}",
            "'backbone.prepend_task_name' is 1: give true or false",
        ),
        ("name: 12", "'name' is 12: expected a text, so put it in quotes"),
        ("seed: 1.0", "'seed' is 1.0: input should be a valid integer"),
        ("validation: {seeds: [true]}", "'validation.seeds.0' is True"),
        ("space: {outer_lr: ['0.3']}", "'space.outer_lr.0' is '0.3'"),
    ],
)
def test_a_study_takes_no_value_for_another(key, said, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(key, encoding="utf-8")
    with pytest.raises(Exception, match="study file") as error:
        read_study(path, {})
    assert said in str(error.value)


def test_a_rate_without_a_point_is_a_number(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("outer: {lr: 3e-5}\n", encoding="utf-8")
    assert read_study(path, {}).outer.lr == 3e-5


def test_what_yaml_writes_is_read_again():
    value = {"a": "no", "b": ["012", "1_000", "~", 1e-5, None, True], "c": {"1": "2024-01-01"}}
    assert parse_yaml(yaml.safe_dump(value).encode()) == value
