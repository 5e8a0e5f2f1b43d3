"""Rows as a data set stores them, read from a mirror's parquet or JSON Lines files.

A mirror is a folder ``<dataset>/<config or default>/<split>.parquet`` (several shards: any names
that begin with ``<split>-``, read in the order of their names), made by ``mpt gym mirror``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpt.errors import DataError
from mpt.files.reading import lines_of, parse_json, text_of
from mpt.files.table import bytes_of
from mpt.gym.build.card_source import Source
from mpt.gym.build.template import Row

BATCH = 1024
"""Rows that are converted to Python values at a time."""


@dataclass(frozen=True)
class SplitRows:
    """One split: its size, columns, names of class ids, and an iterator that can be used once.

    Attributes:
        origin: file or repository, for errors.
        count: number of rows, None if it is not known before reading.
        columns: every top-level column.
        class_names: per class column its names in id order, as the copy itself declares them.
        rows: the rows in order, with the wanted columns.
        lines: for errors, the line number of each row in a user's file.
    """

    origin: str
    count: int | None
    columns: tuple[str, ...]
    class_names: Mapping[str, tuple[str, ...]]
    rows: Iterator[Row]
    lines: Sequence[int] = ()


class RowSource(Protocol):
    """A source of rows; worker processes receive a copy, so it holds no open file."""

    @property
    def name(self) -> str:
        """Return a name for messages, e.g. ``mirror ../mirror``."""
        ...

    def holds(self, source: Source, split: str) -> bool:
        """Tell whether ``split`` is available, as far as is known without reading it."""
        ...

    def fingerprint(self, source: Source) -> str:
        """Return a text that changes whenever the rows of the data set may have changed."""
        ...

    def split(self, source: Source, split: str) -> SplitRows | None:
        """Read the rows of one split, None if the data set has no such split.

        Raises:
            DataError: the data set or a file of it cannot be read.
        """
        ...


@dataclass(frozen=True)
class MirrorRows:
    """Rows from a local mirror. Raises ``DataError`` if the folder is missing or empty."""

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            what = "is empty" if self.folder.is_dir() else "does not exist"
            raise DataError(
                f"mirror folder {self.folder} {what}",
                fix=(
                    f"make one with `mpt gym mirror --out {self.folder}` on a machine with internet"
                ),
            )

    @property
    def name(self) -> str:
        """Return ``mirror`` and the folder."""
        return f"mirror {self.folder}"

    def holds(self, source: Source, split: str) -> bool:
        """Tell whether a file of the split exists."""
        return bool(self._files(source, split))

    def fingerprint(self, source: Source) -> str:
        """Return the names, sizes and times of the data set's files."""
        home = self._home(source)
        files = sorted(home.iterdir()) if home.is_dir() else []
        stats = ((path.name, path.stat()) for path in files)
        return ";".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)

    def split(self, source: Source, split: str) -> SplitRows | None:
        """Read the rows of the split's files, in shard order."""
        files = self._files(source, split)
        if not files:
            return None
        if files[0].suffix != ".jsonl":
            return read_parquet(files, source)
        rows = [row for _, row in json_lines(bytes_of(files[0]), str(files[0]))]
        return SplitRows(str(files[0]), len(rows), tuple(rows[0]) if rows else (), {}, iter(rows))

    def _files(self, source: Source, split: str) -> list[Path]:
        home = self._home(source)
        whole = [home / f"{split}.parquet", home / f"{split}.jsonl"]
        files = [path for path in whole if path.is_file()]
        return files[:1] or sorted(home.glob(f"{split}-*.parquet"))

    def _home(self, source: Source) -> Path:
        return self.folder / source.dataset / (source.config or "default")


def read_parquet(files: Sequence[Path], source: Source) -> SplitRows:
    """Read parquet files that share one schema; only the card's columns are decoded.

    Raises:
        DataError: a truncated or foreign file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def open_file(path: Path) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise _broken(path, error) from None

    def rows() -> Iterator[Row]:
        for path in files:
            wanted = [column for column in columns if column in needed_columns(source)]
            try:
                for batch in open_file(path).iter_batches(BATCH, columns=wanted):
                    yield from batch.to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise _broken(path, error) from None

    heads = [open_file(path) for path in files]
    columns = tuple(heads[0].schema_arrow.names)
    names = _class_names(heads[0].schema_arrow.metadata or {})
    count = sum(head.metadata.num_rows for head in heads)
    return SplitRows(str(files[0]), count, columns, names, rows())


def needed_columns(source: Source) -> frozenset[str]:
    """Return the columns that the card reads, under their old and their newer names."""
    newer = source.alternate_layout.rename if source.alternate_layout else {}
    return frozenset((*source.columns, *newer))


def json_lines(content: bytes, origin: str) -> Iterator[tuple[int, Row]]:
    """Yield the rows of JSON Lines with their line numbers; the order of keys is kept.

    Lines end at LF (or CRLF) only, empty ones are skipped.

    Raises:
        DataError: not UTF-8, or a line that is not a JSON object; names ``origin`` and line.
    """
    try:
        lines = lines_of(content)
    except ValueError as error:
        raise DataError(f"{origin}, {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            what = str(error).removeprefix("line 1, ").removeprefix("line 1: ")
            raise DataError(
                f"{origin}:{number}: not JSON ({what})",
                fix="correct that line",
            ) from None
        if not isinstance(row, dict):
            raise DataError(f'{origin}:{number}: not an object such as {{"text": "..."}}')
        yield number, row


def _class_names(metadata: Mapping[bytes, bytes]) -> Mapping[str, tuple[str, ...]]:
    """Read the names of class ids per top-level column from the features ``datasets`` writes."""
    try:
        features = parse_json(text_of(metadata[b"huggingface"]))["info"]["features"]
        return {
            column: tuple(str(name) for name in feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        # no features, or none in a form that can be read
        return {}


def _broken(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:120]
    return DataError(
        f"{path}: not a whole parquet file ({reason})",
        fix=("copy it again, or make the mirror again with `mpt gym mirror`"),
    )
