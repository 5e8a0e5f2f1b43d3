"""Rows of a user's own file: JSON Lines, CSV or TSV with a header line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from mpt.errors import DataError
from mpt.gym.rows import SplitRows

LONGEST = 2**27
"""Characters that a CSV field may have."""


def read_own_rows(path: Path) -> SplitRows:
    """The rows of ``path``, all in memory.

    ``.jsonl``: one object per line. ``.csv``: commas, quoted as spreadsheets do. ``.tsv``: tabs,
    no quoting. The last two need a header line, and all their values are texts.

    Raises:
        DataError: another ending, a row of the wrong length, not JSON, not UTF-8, no rows.
    """
    readers = {".jsonl": _jsonl, ".csv": _table, ".tsv": _table}
    if path.suffix not in readers:
        raise DataError(f"{path}: rows must be .jsonl, .csv or .tsv; convert the file")
    try:
        rows = readers[path.suffix](path)
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; save the file in that encoding") from None
    except csv.Error as wrong:
        raise DataError(f"{path}: not a readable table ({wrong}); save it again as CSV") from None
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return SplitRows(str(path), len(rows), tuple(rows[0]), {}, iter(rows))


def _jsonl(path: Path) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as wrong:
            raise DataError(f"{path}:{number}: not JSON ({wrong}); one object per line") from None
        if not isinstance(row, dict):
            raise DataError(f'{path}:{number}: not an object such as {{"text": "..."}}')
        rows.append(row)
    return rows


def _table(path: Path) -> list[dict]:
    csv.field_size_limit(LONGEST)
    tabs = path.suffix == ".tsv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, "excel-tab" if tabs else "excel", quoting=3 if tabs else 0)
        header = next(lines, [])
        rows = []
        for line in lines:
            if not line:
                continue
            if len(line) != len(header):
                raise DataError(
                    f"{path}:{lines.line_num}: {len(line)} fields where the header has "
                    f"{len(header)} ({', '.join(header)}); mend that line"
                )
            rows.append(dict(zip(header, line, strict=True)))
    return rows
