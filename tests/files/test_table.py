"""Tables of others: what is read, and what every fault says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpt.errors import DataError
from mpt.files.table import Line, read_table

LABELS = ("pos", "neg")


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def films(change: dict[int, str] | None = None, rows: int = 60) -> str:
    """A table of films, a row a line; ``change`` has other text for some lines, from 1."""
    lines = ["text,label", *(f"a film {at},{LABELS[at % 2]}" for at in range(rows))]
    for number, line in (change or {}).items():
        lines[number - 1] = line
    return "\n".join(lines) + "\n"


def test_quotes_line_ends_and_a_byte_order_mark(tmp_path):
    text = '\ufeff text ,label\r\n"a, ""b""\nc",x\r\n\r\n d ,\r\n'
    columns, rows = read_table(write(tmp_path, text))
    assert columns == ("text", "label")
    assert [(row.number, dict(row.values)) for row in rows] == [
        (2, {"text": 'a, "b"\nc', "label": "x"}),
        (5, {"text": " d ", "label": ""}),
    ]


def test_tabs_know_no_quotes(tmp_path):
    text = 'text\tlabel\r\n"a" or 5" b\tx\r\n"so"\t\u2028y\r\n'
    _, rows = read_table(write(tmp_path, text, "t.tsv"))
    assert [tuple(row.values.values()) for row in rows] == [
        ('"a" or 5" b', "x"),
        ('"so"', "\u2028y"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            films({30: '"a film that goes on,neg'}),
            r"t.csv:30: a quote is opened and never closed af",
        ),
        (films({61: 'a film,"neg'}), r"t.csv:61: a quote is opened and never closed after 'a film"),
        (
            films({30: '"a film" and more,neg'}),
            r"t.csv:30: ',' expected after '\"' after '\"a film\" and",
        ),
        (
            films({30: 'a film of 5" discs,neg'}),
            r"t.csv:30: a quote is inside 'a film of 5\" d",
        ),
        (films({30: 'a film, "neg"'}), r"t.csv:30: a quote is inside"),
        (
            films({30: '"a,pos', 40: 'b",neg'}),
            r"t.csv:30: a quoted value continues to line 40 and contains",
        ),
        (films({30: '"a,pos', 31: 'b",neg'}), r"t.csv:30: a quoted value continues to line 31"),
        (
            films({30: "a film"}),
            r"t.csv:30: 1 fields where the header has 2 \(text, label\); correct",
        ),
        (films({30: "a, film,neg"}), r"t.csv:30: 3 fields .* quote values that contain a comma"),
        (films({30: "text,label"}), r"t.csv:30: repeats the header; remove that line"),
        (films({1: ",label"}), r"t.csv:1: column 1 has no name; name it, or leave it out \(pandas"),
        (
            films({1: "text, text"}),
            r"t.csv:1: has the column 'text' twice; remove one, or rename",
        ),
        (
            films().replace(",", ";"),
            r"t.csv:1: the columns 'text;label' are separated by semicolons, not",
        ),
        (
            films().replace(",", "\t"),
            r"are separated by tabs, not by commas; save the table with commas",
        ),
        ("", r"t.csv: is empty; its first line must name the columns"),
        ("\n\n", r"t.csv: is empty"),
        ("text,label\n", r"t.csv: holds a header and no rows; give it at least one row"),
        (
            films().encode("utf-16"),
            r"t.csv, line 1: byte 0xff is not UTF-8; save the text in that enc",
        ),
        (films().encode("utf-16-le"), r"t.csv, line 1: contains a NUL, so it is not a text"),
        (films({3: "caf\u00e9,pos"}).encode("latin-1"), r"t.csv, line 3: byte 0xe9 is not UTF-8"),
    ],
)
def test_faults_name_file_line_and_cure(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            'text\tlabel\n"a ""b"" c"\tx\n',
            r"t.tsv:2: '\"a \"\"b\"\" c\"' is quoted as in CSV, but in",
        ),
        (
            "text,label\na,x\n",
            r"t.tsv:1: the columns 'text,label' are separated by commas, not by tabs",
        ),
        ("text\tlabel\na\n", r"t.tsv:2: 1 fields where the header has 2"),
    ],
)
def test_faults_of_tabs(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, content, "t.tsv"))


def test_a_thousand_columns_are_not_all_named(tmp_path):
    header = ",".join(f"c{at}" for at in range(3000))
    with pytest.raises(DataError) as raised:
        read_table(write(tmp_path, f"{header}\n{header[:-6]}\n"))
    assert "3000 (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2990 more)" in str(raised.value)
    with pytest.raises(DataError, match=r"did you call it 'c77'.*and 2990 more; needed are C77$"):
        read_table(write(tmp_path, f"{header}\n{header}\n"), ["C77"])


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no.csv: cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "no.csv")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\); give a file"):
        read_table(tmp_path)


def test_the_cures_of_quotes_work(tmp_path):
    """Doubled and put around the value, as the errors say, the same texts are read."""
    for text in ('"a film that goes on', '"a film" and more', 'a film of 5" discs'):
        doubled = text.replace('"', '""')
        _, rows = read_table(write(tmp_path, films({30: f'"{doubled}",neg'})))
        assert len(rows) == 60
        assert rows[28].values == {"text": text, "label": "neg"}


TEXTS = st.text(
    st.sampled_from(',"\n\t ;a\u2028')
    | st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"),
    max_size=8,
)


def read_or_fault(path: Path) -> list[Line] | str:
    """The rows of a table, or why it is refused."""
    try:
        return read_table(path)[1]
    except DataError as wrong:
        return str(wrong)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), st.sampled_from((0, 1)))
def test_what_a_csv_writer_wrote_is_read_or_refused(tmp_path_factory, rows, quoting):
    """Every value comes back as it was written; what looks like swallowed rows is refused."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows([("text", "label"), *rows])
    path = write(tmp_path_factory.getbasetemp(), text.getvalue())
    found = read_or_fault(path)
    if isinstance(found, str):
        assert "contains what look like rows" in found or "repeats the header" in found
    else:
        assert [tuple(row.values.values()) for row in found] == rows


@given(st.integers(2, 61), st.integers(0, 12), st.sampled_from('",;\n'))
def test_one_sign_too_many_loses_no_row(tmp_path_factory, line, column, sign):
    """A sign put anywhere into a table of plain rows: refused, or 60 rows or more are read."""
    lines = films().split("\n")
    lines[line - 1] = lines[line - 1][:column] + sign + lines[line - 1][column:]
    path = write(tmp_path_factory.getbasetemp(), "\n".join(lines))
    found = read_or_fault(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}:{line}:") or sign == "\n"
    else:
        assert len(found) >= 60
