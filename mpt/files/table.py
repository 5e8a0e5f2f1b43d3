"""Tables that others wrote, CSV or TSV: read strictly, or one line that says what is wrong where.

A table that can be read in two ways is refused: half of its rows might be gone, or a number stand
in another column, and no one would see it.
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
"""Characters that a field may have."""

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}

_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^",\r\n]*)'
_RECORD = re.compile(rf"{_FIELD}(?:,{_FIELD})*[\r\n]*")
"""What RFC 4180 calls a record: a quote stands around a field, or doubled within."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row, and the line of the file in which it begins."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Record:
    """The values of one row, and the first and last line of the file that it takes."""

    first: int
    last: int
    values: Sequence[str]


def read_table(
    path: Path, wanted: Sequence[str] = (), about: str = ""
) -> tuple[tuple[str, ...], list[Line]]:
    """The columns and rows of a table with a header line, all values texts as they stand there.

    ``.tsv`` is parted by tabs and knows no quotes; anything else is parted by commas, and quoted
    as spreadsheets do. Blanks around the columns' names are taken off, empty lines passed over.

    Args:
        path: of the table.
        wanted, about: see ``check_columns``.

    Raises:
        DataError: no such file, not UTF-8, another separator, a column that is missing, nameless
            or there twice, a row too long or too short, a quote that is not closed or stands
            alone, no rows; with file and line.
    """
    try:
        text = text_of(bytes_of(path))
    except ValueError as wrong:
        raise DataError(f"{path}, {wrong}") from None
    is_tsv = path.suffix == ".tsv"
    records = list(_tabs(path, text) if is_tsv else _commas(path, text))
    if not records:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    columns = tuple(name.strip() for name in records[0].values)
    _check_header(path, records[0].first, columns, "\t" if is_tsv else ",")
    check_columns(path, columns, wanted, about)
    rows = [Line(one.first, _row(path, one, columns)) for one in records[1:]]
    if not rows:
        raise DataError(f"{path}: holds a header and no rows; give it at least one row")
    return columns, rows


def bytes_of(path: Path) -> bytes:
    """What a file holds. Raises ``DataError``: it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise DataError(f"{path}: cannot be read ({wrong.strerror}); give a file") from None


def check_columns(
    path: Path, columns: Sequence[str], wanted: Sequence[str], about: str = ""
) -> None:
    """Raise ``DataError`` for the first wanted column that is not there, with its near miss.

    Args:
        path: of the table.
        columns: those that it has.
        wanted: those that it must have.
        about: what else is to be said.
    """
    folded = {name.casefold(): name for name in reversed(columns)}
    for name in wanted:
        if name not in columns:
            near = get_close_matches(name.casefold(), folded, n=1)
            meant = f" - did you call it {folded[near[0]]!r}?" if near else ";"
            raise DataError(
                f"{path} has no column {name!r}{meant} it has {some(columns)}; needed are "
                f"{some(wanted)}{about}"
            )


def _commas(path: Path, text: str) -> list[_Record]:
    """The records of a CSV file; a quoted field may go over several lines."""
    lines = list(io.StringIO(text, newline=""))
    records = list(_quoted(path, lines))
    _refuse_swallowed(path, lines, records)
    return records


def _quoted(path: Path, lines: Sequence[str]) -> Iterator[_Record]:
    csv.field_size_limit(LONGEST)
    reader, begun = csv.reader(lines, strict=True), 1
    try:
        for values in reader:
            raw = "".join(lines[begun - 1 : reader.line_num])
            if not _RECORD.fullmatch(raw):
                raise DataError(
                    f"{path}:{begun}: a quote stands within {raw.strip()[:40]!r} and not around "
                    "it; put quotes around the whole value and double those inside"
                )
            if values:
                yield _Record(begun, reader.line_num, values)
            begun = reader.line_num + 1
    except csv.Error as wrong:
        raise DataError(
            f"{path}:{begun}: {_plainly(wrong)} after {lines[begun - 1].strip()[:40]!r}; close "
            "the quotes around the value and double those inside"
        ) from None


def _plainly(wrong: csv.Error) -> str:
    is_open = "unexpected end" in str(wrong)
    return "a quote is opened and never closed" if is_open else str(wrong)


def _refuse_swallowed(path: Path, lines: Sequence[str], records: Sequence[_Record]) -> None:
    """Refuse a quoted field that holds whole rows: two stray quotes, some lines apart, make one.

    That is so where each of its lines would be a row by itself, and has in some column a value
    that other rows have there too: a text of several lines does not look so by chance.
    """
    if not (long := [one for one in records if one.last > one.first]):
        return
    width = len(records[0].values)
    short = [
        one.values for one in records[1:] if one.last == one.first and len(one.values) == width
    ]
    met = [{values[column] for values in short} for column in range(width)]
    for one in long:
        rows = [line.rstrip("\r\n").split(",") for line in lines[one.first - 1 : one.last]]
        if all(len(row) == width for row in rows) and any(
            all(row[column] in met[column] for row in rows) for column in range(width)
        ):
            raise DataError(
                f"{path}:{one.first}: a quoted value goes on to line {one.last} and holds what "
                "look like rows; take the stray quotes out of the two lines (or double them), or "
                "the line ends out of the value"
            )


def _tabs(path: Path, text: str) -> Iterator[_Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line := line.removesuffix("\r"):
            values = line.split("\t")
            if odd := next((one for one in values if _is_quoted(one)), None):
                raise DataError(
                    f"{path}:{number}: {odd[:40]!r} is quoted as in CSV, and in .tsv quotes are "
                    "content; save without quotes, or name the file .csv and part it by commas"
                )
            yield _Record(number, number, values)


def _is_quoted(value: str) -> bool:
    """Whether a value has quotes around it, and doubled ones within."""
    inner = value[1:-1]
    return (
        len(value) > 1
        and value[0] == value[-1] == '"'
        and '""' in inner
        and '"' not in inner.replace('""', "")
    )


def _check_header(path: Path, number: int, columns: tuple[str, ...], separator: str) -> None:
    if len(columns) == 1:
        for sign, name in SEPARATORS.items():
            if sign != separator and sign in columns[0]:
                raise DataError(
                    f"{path}:{number}: the columns {columns[0][:60]!r} are parted by {name}, not "
                    f"by {SEPARATORS[separator]}; save the table with {SEPARATORS[separator]}"
                )
    if "" in columns:
        raise DataError(
            f"{path}:{number}: column {columns.index('') + 1} has no name; name it, or leave it "
            "out (pandas: to_csv(index=False))"
        )
    if twice := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
        raise DataError(
            f"{path}:{number}: has the column {twice[0]!r} twice; take one out, or rename it"
        )


def _row(path: Path, one: _Record, columns: tuple[str, ...]) -> Mapping[str, str]:
    if len(one.values) != len(columns):
        raise DataError(
            f"{path}:{one.first}: {len(one.values)} fields where the header has {len(columns)} "
            f"({some(columns)}); mend that line, and quote values that hold a comma"
        )
    if tuple(one.values) == columns:
        raise DataError(f"{path}:{one.first}: repeats the header; take that line out")
    return dict(zip(columns, one.values, strict=True))
