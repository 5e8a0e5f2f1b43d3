"""A strict reader of CSV and TSV tables, with one-line error messages.

A table that can be read in two ways is refused: half of its rows might get lost, or a number end up
in another column, without anyone noticing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mpt.errors import DataError, some
from mpt.files.reading import text_of

LONGEST = 2**27
"""The most characters of a field."""

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}

_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^",\r\n]*)'
_RECORD = re.compile(rf"{_FIELD}(?:,{_FIELD})*[\r\n]*")
"""A record by RFC 4180: quotes surround a field, or are doubled inside it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row, and the number of the line in which it begins."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Record:
    """The values of one row, and the numbers of its first and last line."""

    first: int
    last: int
    values: Sequence[str]


def read_table(
    path: Path, wanted: Sequence[str] = (), about: str = ""
) -> tuple[tuple[str, ...], list[Line]]:
    """Read the columns and rows of a table with a header line; all values are texts.

    ``.tsv`` is separated by tabs and has no quotes; anything else is separated by commas, and
    quoted as in spreadsheets. Blanks around column names are dropped, empty lines skipped.

    Args:
        path: of the table.
        wanted, about: see ``check_columns``.

    Raises:
        DataError: no such file, not UTF-8, another separator, a missing, nameless or duplicate
            column, a row that is too long or too short, a quote that is not closed or not around a
            whole value, no rows; names the file and line.
    """
    try:
        text = text_of(bytes_of(path))
    except ValueError as error:
        raise DataError(f"{path}, {error}") from None
    is_tsv = path.suffix == ".tsv"
    records = list(_tabs(path, text) if is_tsv else _commas(path, text))
    if not records:
        raise DataError(
            f"{path}: is empty",
            fix="its first line must name the columns",
        )
    columns = tuple(name.strip() for name in records[0].values)
    _check_header(path, records[0].first, columns, "\t" if is_tsv else ",")
    check_columns(path, columns, wanted, about)
    rows = [Line(record.first, _row(path, record, columns)) for record in records[1:]]
    if not rows:
        raise DataError(
            f"{path}: holds a header and no rows",
            fix="give it at least one row",
        )
    return columns, rows


def bytes_of(path: Path) -> bytes:
    """Read the bytes of a file. Raises ``DataError`` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror})",
            fix="give a file",
        ) from None


def check_columns(
    path: Path, columns: Sequence[str], wanted: Sequence[str], about: str = ""
) -> None:
    """Raise ``DataError`` for the first missing column, with the most similar name.

    Args:
        path: of the table.
        columns: of the table.
        wanted: columns that it must have.
        about: text to append to the message.
    """
    folded = {name.casefold(): name for name in reversed(columns)}
    for name in wanted:
        if name not in columns:
            near = get_close_matches(name.casefold(), folded, n=1)
            meant = f" - did you call it {folded[near[0]]!r}?" if near else ";"
            raise DataError(
                f"{path} has no column {name!r}{meant} it has {some(columns)}",
                fix=f"needed are {some(wanted)}{about}",
            )


def _commas(path: Path, text: str) -> list[_Record]:
    """Return the records of a CSV file; a quoted field may span several lines."""
    lines = list(io.StringIO(text, newline=""))
    records = list(_quoted(path, lines))
    _refuse_swallowed(path, lines, records)
    return records


def _quoted(path: Path, lines: Sequence[str]) -> Iterator[_Record]:
    csv.field_size_limit(LONGEST)
    reader, first = csv.reader(lines, strict=True), 1
    try:
        for values in reader:
            raw = "".join(lines[first - 1 : reader.line_num])
            if not _RECORD.fullmatch(raw):
                raise DataError(
                    f"{path}:{first}: a quote is inside {raw.strip()[:40]!r} and not around it",
                    fix="put quotes around the whole value and double those inside",
                )
            if values:
                yield _Record(first, reader.line_num, values)
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{first}: {_reason(error)} after {lines[first - 1].strip()[:40]!r}",
            fix="close the quotes around the value and double those inside",
        ) from None


def _reason(error: csv.Error) -> str:
    is_open = "unexpected end" in str(error)
    return "a quote is opened and never closed" if is_open else str(error)


def _refuse_swallowed(path: Path, lines: Sequence[str], records: Sequence[_Record]) -> None:
    """Refuse a quoted field that contains whole rows, because of two stray quotes.

    Each of its lines would then be a row by itself, with a value in some column that other rows
    have there too: a text of several lines does not look like that by chance.
    """
    if not (long := [record for record in records if record.last > record.first]):
        return
    width = len(records[0].values)
    short = [
        record.values
        for record in records[1:]
        if record.last == record.first and len(record.values) == width
    ]
    seen = [{values[column] for values in short} for column in range(width)]
    for record in long:
        rows = [line.rstrip("\r\n").split(",") for line in lines[record.first - 1 : record.last]]
        if all(len(row) == width for row in rows) and any(
            all(row[column] in seen[column] for row in rows) for column in range(width)
        ):
            raise DataError(
                f"{path}:{record.first}: a quoted value continues to line {record.last} and "
                "contains what look like rows",
                fix=(
                    "remove the stray quotes from the two lines (or "
                    "double them), or the line ends from the value"
                ),
            )


def _tabs(path: Path, text: str) -> Iterator[_Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line := line.removesuffix("\r"):
            values = line.split("\t")
            if odd := next((value for value in values if _is_quoted(value)), None):
                raise DataError(
                    f"{path}:{number}: {odd[:40]!r} is quoted as in CSV, but in .tsv quotes are "
                    "content",
                    fix="save without quotes, or as .csv with commas",
                )
            yield _Record(number, number, values)


def _is_quoted(value: str) -> bool:
    """Tell whether a value has quotes around it, and doubled ones inside."""
    inner = value[1:-1]
    return (
        len(value) > 1
        and value[0] == value[-1] == '"'
        and '""' in inner
        and '"' not in inner.replace('""', "")
    )


def _check_header(path: Path, number: int, columns: tuple[str, ...], separator: str) -> None:
    if len(columns) == 1:
        for character, name in SEPARATORS.items():
            if character != separator and character in columns[0]:
                raise DataError(
                    f"{path}:{number}: the columns {columns[0][:60]!r} are separated by {name}, "
                    f"not by {SEPARATORS[separator]}",
                    fix=f"save the table with {SEPARATORS[separator]}",
                )
    if "" in columns:
        raise DataError(
            f"{path}:{number}: column {columns.index('') + 1} has no name",
            fix="name it, or leave it out (pandas: to_csv(index=False))",
        )
    if twice := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
        raise DataError(
            f"{path}:{number}: has the column {twice[0]!r} twice",
            fix="remove one, or rename it",
        )


def _row(path: Path, record: _Record, columns: tuple[str, ...]) -> Mapping[str, str]:
    if len(record.values) != len(columns):
        raise DataError(
            f"{path}:{record.first}: {len(record.values)} fields where the header has "
            f"{len(columns)} ({some(columns)})",
            fix="correct that line, and quote values that contain a comma",
        )
    if tuple(record.values) == columns:
        raise DataError(
            f"{path}:{record.first}: repeats the header",
            fix="remove that line",
        )
    return dict(zip(columns, record.values, strict=True))
