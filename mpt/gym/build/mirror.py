"""A mirror: the rows of data sets as parquet files, made where there is internet for where not."""

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
    """What became of one split.

    Attributes:
        data: ``<dataset>/<config or default>/<split>``.
        state: ``copied``, ``kept`` (was there already), ``absent`` (the Hub's copy has no such
            split) or ``failed``.
        note: why it failed and what to do.
    """

    data: str
    state: Literal["copied", "kept", "absent", "failed"]
    note: str = ""


def mirror(chosen: Sequence[Card], out: Path) -> Iterator[Copied]:
    """Copies every split that the cards need; each file appears whole or not at all."""
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
        except InputError as wrong:
            yield Copied(name, "failed", str(wrong))
        except OSError as wrong:
            yield Copied(name, "failed", f"{path}: {wrong.strerror or wrong}; mend that, run again")


def wanted_splits(chosen: Sequence[Card]) -> list[tuple[Source, str]]:
    """The data set splits that the cards read, each once, in the cards' order."""
    found: dict[tuple[str, str | None, str], tuple[Source, str]] = {}
    for card in chosen:
        rule = card.splits
        one = isinstance(rule, OneSplit | OneSplitCounts)
        for split in (rule.origin,) if one else (rule.pool, rule.test):
            found.setdefault((card.source.dataset, card.source.config, split), (card.source, split))
    return list(found.values())


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
