"""Rows from the Hugging Face Hub, through ``datasets``; code of a repository is never executed.

Most data sets of CrossFit were loading scripts, which ``datasets`` no longer runs. The Hub keeps a
converted copy of those under the revision ``refs/convert/parquet``; both are tried, the likelier
one first. ``mpt gym verify`` tells where a copy differs from that of 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

from mpt.errors import DataError
from mpt.gym.build.card_source import Source
from mpt.gym.build.rows import BATCH, SplitRows, json_lines, needed_columns
from mpt.gym.build.template import Row

if TYPE_CHECKING:
    from datasets import Dataset

CONVERTED = "refs/convert/parquet"
TIMEOUT = 60.0
"""Seconds to wait for an answer when a file is downloaded."""


@dataclass(frozen=True)
class HubRows:
    """Rows downloaded on demand (and cached by ``datasets``)."""

    @property
    def name(self) -> str:
        """Return a name for messages."""
        return "the Hugging Face Hub"

    def reach(self) -> None:
        """Raise ``DataError`` at once if the Hub does not answer, instead of task by task."""
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            return  # the user wants only what is cached
        try:
            urlopen(constants.ENDPOINT, timeout=TIMEOUT / 4).close()
        except HTTPError:
            return  # an error status, but the Hub did answer
        except OSError as error:
            raise DataError(
                f"the Hub at {constants.ENDPOINT} does not answer ({_short(error)})",
                fix=(
                    "check the network, build from `--mirror DIR`, or set HF_HUB_OFFLINE=1 to use "
                    "what is cached"
                ),
            ) from None

    def holds(self, source: Source, split: str) -> bool:
        """Tell whether a repository or download is known; no network is used."""
        return source.hub is not None or source.download is not None

    def fingerprint(self, source: Source) -> str:
        """Return repository and revision: later commits do not make a built task stale."""
        return f"{source.hub} {source.revision}"

    def split(self, source: Source, split: str) -> SplitRows | None:
        """Load the rows of one split. Raises ``DataError`` without network or repository."""
        if source.download is not None:
            if split != source.download.as_split:
                return None
            url = source.download.url
            rows = [row for _, row in json_lines(download(url), url)]
            return SplitRows(url, len(rows), tuple(rows[0]), {}, iter(rows))
        data = load_split(source, split)
        return None if data is None else _rows(data, source)


def load_split(source: Source, split: str) -> Dataset | None:
    """Load one split as a ``datasets.Dataset``, None if the data set has no such split.

    Raises:
        DataError: no repository is known, or neither revision could be read; with each reason.
    """
    if source.hub is None:
        raise DataError(
            f"no Hub repository is known for the data set {source.dataset!r}",
            fix="build it from a mirror that holds it (`--mirror DIR`)",
        )
    hub, config = source.hub, source.config
    revisions = [source.revision, None if source.revision == CONVERTED else CONVERTED]
    reasons = []
    for revision in revisions:
        try:
            if revision == CONVERTED:
                return _converted(hub, config, split)
            return _original(hub, config, split, revision)
        except _NoSuchSplit:
            return None
        except Exception as error:  # datasets raises a dozen kinds, none of them exported together
            reasons.append(f"{revision or 'default branch'}: {_short(error)}")
    hint = (
        f" A converted, unchecked copy: {source.converted_copy}." if source.converted_copy else ""
    )
    raise DataError(
        f"{source.hub} ({source.config or 'default'}, {split}) cannot be loaded from the Hub "
        f"({'; '.join(reasons)})",
        fix=f"check the network, or build from `--mirror DIR`.{hint}",
    )


def download(url: str) -> bytes:
    """Download the bytes at an https address. Raises ``DataError``."""
    try:
        with urlopen(url, timeout=TIMEOUT) as response:  # the address in the card, always https
            return response.read()
    except OSError as error:
        raise DataError(
            f"{url} cannot be downloaded ({_short(error)})",
            fix=("check the network, or build from `--mirror DIR`"),
        ) from None


class _NoSuchSplit(Exception):
    """The data set exists but has no such split."""


def _original(hub: str, config: str | None, split: str, revision: str | None) -> Dataset:
    from datasets import get_dataset_split_names, load_dataset

    if split not in get_dataset_split_names(hub, config, revision=revision):
        raise _NoSuchSplit(split)
    return load_dataset(hub, config, split=split, revision=revision)


def _converted(hub: str, config: str | None, split: str) -> Dataset:
    """Load the Hub's own parquet copy: ``<config>/<split>/0000.parquet`` on a separate branch."""
    from datasets import load_dataset

    folder = f"hf://datasets/{hub}@{CONVERTED.replace('/', '%2F')}/{config or '*'}"
    files = {split: f"{folder}/{split}/*.parquet"}
    return load_dataset("parquet", data_files=files, split=split)


def _rows(data: Dataset, source: Source) -> SplitRows:
    names = {
        column: tuple(feature.names)
        for column, feature in data.features.items()
        if hasattr(feature, "names")
    }
    return SplitRows(
        str(source.hub), len(data), tuple(data.column_names), names, _read(data, source)
    )


def _read(data: Dataset, source: Source) -> Iterator[Row]:
    wanted = [column for column in data.column_names if column in needed_columns(source)]
    tables: Any = data.select_columns(wanted).with_format("arrow").iter(BATCH)
    for table in tables:
        yield from table.to_pylist()


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
