"""A mirror: the rows of data sets as parquet files, for machines without internet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpt.errors import InputError
from mpt.gym.build.card_source import OneSplit, OneSplitCounts, Source
from mpt.gym.build.cards import Card
from mpt.gym.build.hub_rows import download, load_split


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of copying one split.

    Attributes:
        data: ``<dataset>/<config or default>/<split>``.
        state: ``copied``, ``kept`` (it existed already), ``absent`` (the Hub's copy has no such
            split) or ``failed``.
        note: why it failed and what to do.
    """

    data: str
    state: Literal["copied", "kept", "absent", "failed"]
    note: str = ""


def mirror(chosen: Sequence[Card], out: Path) -> Iterator[Copied]:
    """Copy every split that the cards need; each file is written atomically."""
    for source, split in wanted_splits(chosen):
        home = out / source.dataset / (source.config or "default")
        name = f"{source.dataset}/{home.name}/{split}"
        path = home / (f"{split}.jsonl" if source.download else f"{split}.parquet")
        if path.exists():
            yield Copied(name, "kept")
            continue
        try:
            copied = _copy(source, split, path)
            yield Copied(name, "copied" if copied else "absent")
        except InputError as error:
            yield Copied(name, "failed", str(error))
        except OSError as error:
            yield Copied(name, "failed", f"{path}: {error.strerror or error}; fix that, run again")


def wanted_splits(chosen: Sequence[Card]) -> list[tuple[Source, str]]:
    """Return the data set splits that the cards read, each once, in the order of the cards."""
    splits: dict[tuple[str, str | None, str], tuple[Source, str]] = {}
    for card in chosen:
        rule = card.splits
        is_single = isinstance(rule, OneSplit | OneSplitCounts)
        for split in (rule.origin,) if is_single else (rule.pool, rule.test):
            splits.setdefault(
                (card.source.dataset, card.source.config, split), (card.source, split)
            )
    return list(splits.values())


def _copy(source: Source, split: str, path: Path) -> bool:
    part = path.with_name(f".{path.name}.part")
    try:
        if source.download is not None:
            content = download(source.download.url)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
        else:
            data = load_split(source, split)
            if data is None:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            data.to_parquet(str(part))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return True
