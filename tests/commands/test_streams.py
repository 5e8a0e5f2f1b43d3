"""The edges of the program: lines in and out, full disks, closed pipes, bytes that are no text."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminal import Said, mpt, study_file

from mpt.errors import InputError
from mpt.files.escaping import one_line
from mpt.report.json_text import json_text

ROOT = Path(__file__).parents[2]
HEADER = "method,task,seed,dev,test\n"
ROWS = "PT,a,1,0.5,0.5\nmaml,a,1,0.5,0.6\nPT,b,1,0.5,0.5\nmaml,b,1,0.5,0.7\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("streams") / "home"


@pytest.fixture(scope="module")
def digest(home) -> str:
    study = study_file(home.parent / "study.yaml")
    said = mpt("run", "--steps", "1", "--study", study, "--json", home=home)
    assert said.code == 0, said.err
    return json.loads(said.out)["digest"]


def answered(home: Path, digest: str, text: bytes) -> Said:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(text))):
        return mpt("predict", digest, home=home)


def test_one_answer_a_line_whatever_else_may_end_one(home, digest):
    text = "good\u2028film\nbad\x0cfood\x85\n\nfi\rne\u2029\nlast".encode()
    said = answered(home, digest, text)
    assert said.code == 0, said.err
    assert len(said.out.split("\n")) == 5 + 1
    assert said.out.endswith("\n")
    # an empty line is a text like any other
    alone = mpt("predict", digest, "", "good\u2028film", home=home).out.split("\n")
    assert (said.out.split("\n")[2], said.out.split("\n")[0]) == (alone[0], alone[1])


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_content(home, digest):
    plain = answered(home, digest, b"the cat\na dog\n")
    assert answered(home, digest, b"\xef\xbb\xbfthe cat\r\na dog\r\n").out == plain.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"fine\ncaf\xe9\n", "standard input, line 2: byte 0xe9 is not UTF-8; save the text in "),
        (b"a\xed\xa0\x80\n", "standard input, line 1: byte 0xed is not UTF-8"),
        (b"a\nb\nc\x00d\n", "standard input, line 3: contains a NUL, so it is not a text"),
        (b"", "there is no text to answer; give texts behind the prompt, or on stdin"),
    ],
)
def test_bytes_that_are_no_text_are_one_line_that_names_theirs(home, digest, text, message):
    said = answered(home, digest, text)
    assert (said.code, said.out) == (2, "")
    assert message in said.error


def test_saved_in_utf8_as_the_error_says_it_is_answered(home, digest):
    said = answered(home, digest, b"fine\ncaf\xe9\n".decode("latin-1").encode())
    assert said.code == 0
    assert said.out.count("\n") == 2


def test_an_answer_is_one_line_and_moves_no_cursor(home, digest, monkeypatch):
    told = ["a\u2028b\rc", "d\x1b[31m\x9be\u202e", "f\r\ng", "h\tü模"]
    monkeypatch.setattr("mpt.serve.predict.predict", lambda *_: told)
    said = answered(home, digest, b"1\n2\n3\n4\n")
    assert said.out == "a b c\nd\\x1b[31m\\x9be\\u202e\nf g\nh\tü模\n"


@given(st.text())
def test_no_reader_finds_two_lines_in_an_answer(text):
    assert len(f"{one_line(text)}\n".splitlines()) == 1
    assert "\x1b" not in one_line(text)
    assert one_line(text).encode().decode() == one_line(text)


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text(HEADER + ROWS.replace("maml", "größer-模型"), encoding="utf-8")
    return path


def process(*words: object, **ways: object) -> subprocess.CompletedProcess[bytes]:
    """A real process with real streams, run unbuffered by half of the tests' machines."""
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **ways.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.run(command, env=variables, stderr=subprocess.PIPE, check=False, **ways)  # type: ignore[call-overload]


def words_of(kind: str, table: Path) -> list[object]:
    return {"table": ["arg", table], "json": ["arg", table, "--json"], "help": ["--help"]}[kind]


@pytest.mark.parametrize(
    ("kind", "unbuffered"), [("table", ""), ("table", "1"), ("json", ""), ("help", "1")]
)
def test_a_full_disk_is_one_line_and_no_success(kind, unbuffered, table):
    with open("/dev/full", "wb") as full:
        done = process(*words_of(kind, table), stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    assert done.stderr == (b"error: standard output cannot be written (No space left on device)\n")


@pytest.mark.parametrize("kind", ["table", "json"])
def test_a_reader_that_went_away_is_no_event(kind, table):
    read, write = os.pipe()
    os.close(read)
    done = process(*words_of(kind, table), stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_warnings_that_nobody_can_read_change_nothing(unbuffered, table):
    few = table.read_text(encoding="utf-8").replace("PT,b,1,", "PT,b,2,0.5,0.5\nPT,b,1,")
    table.write_text(few, encoding="utf-8")
    command = [sys.executable, str(ROOT / "cli.py"), "arg", str(table)]
    told = {"env": {**os.environ, "PYTHONUNBUFFERED": unbuffered}, "stdout": subprocess.PIPE}
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = subprocess.run(command, stderr=write if unbuffered else full, **told)
    finally:
        os.close(write)
        os.close(full)
    assert done.returncode == 0
    assert "größer-模型".encode() in done.stdout


def test_such_a_table_is_warned_of(table, tmp_path):
    few = table.read_text(encoding="utf-8").replace("PT,b,1,", "PT,b,2,0.5,0.5\nPT,b,1,")
    table.write_text(few, encoding="utf-8")
    assert "lacks seed 2" in mpt("arg", table, home=tmp_path / "home").err


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX"}])
def test_whatever_the_locale_says_utf8_is_written(variables, table):
    done = process("arg", table, stdout=subprocess.PIPE, env={**variables, "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert "größer-模型" in done.stdout.decode()


def test_a_broken_pipe_to_a_server_is_not_passed_over(table, monkeypatch):
    def gone(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("mpt.api.arg.read_scores", gone)
    from mpt.commands.app import main

    with patch.object(sys, "argv", ["mpt", "arg", str(table)]), pytest.raises(BrokenPipeError):
        main()


@pytest.mark.parametrize("words", [("arg",), ("gym", "show"), ("studies", "show"), ()])
def test_words_that_are_no_utf8_are_one_line(words, tmp_path):
    said = mpt(*words, "caf\udce9.csv", home=tmp_path / "home")
    assert said.code == 2
    where = len(words) + 1
    assert (
        said.error
        == (
            f"error: argument {where}, 'caf\\xe9.csv', holds bytes that are no UTF-8; type it in "
            "UTF-8, and rename a file that is called so\n"
        ).rstrip()
    )
    variable = mpt("doctor", home=tmp_path / "h\udcff")
    assert (variable.code, variable.out) == (2, "")
    assert f"$MPT_HOME, '{tmp_path}/h\\xff', holds bytes that are no UTF-8" in variable.error


def test_a_name_in_an_error_acts_on_nothing(tmp_path):
    name = "\x1b[31m:smile:[red]\u202ex"
    for words in (("arg", name), ("gym", "show", name), (name,), ("arg", f"--{name}")):
        said = mpt(*words, home=tmp_path / "home")
        assert said.code == 2
        assert said.error.isprintable()
        assert ":smile:[red]" in said.error


def test_what_is_logged_of_a_name_is_a_line(table, tmp_path, monkeypatch):
    def noisy(_):
        for _ in range(2):
            logging.getLogger("mpt.engine").warning("checkpoint %s is bad", "a\x1b[2Jb\n[red]c")
        raise InputError("enough")

    monkeypatch.setattr("mpt.api.arg.read_scores", noisy)
    for _ in range(2):
        said = mpt("arg", table, home=tmp_path / "home")
        line = "warning: checkpoint a\\x1b[2Jb\\n[red]c is bad"
        assert said.err.splitlines() == [line, line, "error: enough"]


values = st.recursive(
    st.floats() | st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(values)
def test_json_is_json_and_ascii(value):
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json_text(value)
    assert text.isascii()
    assert "\x1b" not in text
    json.loads(text, parse_constant=refuse)


def test_every_json_goes_through_the_one_helper():
    for room in ("commands", "report"):
        for path in sorted((ROOT / "mpt" / room).glob("*.py")):
            if path.name == "json_text.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    assert not ast.unparse(node.func).endswith("dumps"), path
