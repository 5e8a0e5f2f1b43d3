"""Rows of a user's file: JSON Lines, CSV or TSV with a header line."""

from __future__ import annotations

from pathlib import Path

from mpt.errors import DataError
from mpt.files.table import bytes_of, read_table
from mpt.gym.build.rows import SplitRows, json_lines
from mpt.gym.build.template import Row

TABLES = (".csv", ".tsv")


def read_custom_rows(path: Path) -> SplitRows:
    """Read the rows of ``path`` into memory.

    ``.jsonl``: one object per line. ``.csv`` and ``.tsv``: see ``mpt.files.table.read_table``; all
    their values are texts.

    Raises:
        DataError: another file extension, not JSON, not a table, not UTF-8, no rows.
    """
    if path.suffix in TABLES:
        columns, table = read_table(path)
        rows: list[tuple[int, Row]] = [(line.number, line.values) for line in table]
    elif path.suffix == ".jsonl":
        rows = list(json_lines(bytes_of(path), str(path)))
        columns = tuple(rows[0][1]) if rows else ()
    else:
        raise DataError(
            f"{path}: rows must be .jsonl, .csv or .tsv",
            fix="convert the file",
        )
    if not rows:
        raise DataError(
            f"{path}: holds no rows",
            fix="give it at least one",
        )
    lines = tuple(number for number, _ in rows)
    return SplitRows(str(path), len(rows), columns, {}, (row for _, row in rows), lines)
