"""The half of a task card that describes the source of the rows and their splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Texts = tuple[str, ...]


class AlternateLayout(BaseModel, frozen=True, extra="forbid"):
    """The layout of a newer copy: renamed columns, class ids in another order (mapped by name)."""

    rename: Mapping[str, str]
    class_names: Texts
    name_to_text: Mapping[str, str]


class GroupOrder(BaseModel, frozen=True, extra="forbid"):
    """A stable sort by the position of a column's value in ``values``."""

    column: str
    values: Texts


class Restore(BaseModel, frozen=True, extra="forbid"):
    """How to undo what newer copies changed; official rows stay as they are."""

    stable_sort_by: str | None = None
    group_order: GroupOrder | None = None
    strip: Texts = ()


class Download(BaseModel, frozen=True, extra="forbid"):
    """Rows from a JSON Lines file instead of the Hub."""

    url: str
    as_split: str


class Source(BaseModel, frozen=True, extra="forbid"):
    """Where the rows come from.

    Attributes:
        dataset: its name in a mirror's first folder level; ``config`` (or ``default``) the second.
        hub: the current Hub repository, None if it is not known.
        hub_unverified: the repository's name was never checked against the Hub.
        revision: ``refs/convert/parquet`` if the repository probably holds only a script.
        converted_copy: a third party's copy, never checked against the official MD5 sums.
        columns: top-level columns that the card reads.
        class_names: names of the integer class ids of a column, in id order.
        rows: number of rows of each split in 2021, to recognise a truncated copy.
    """

    dataset: str
    config: str | None = None
    hub: str | None = None
    hub_unverified: bool = False
    revision: str | None = None
    converted_copy: str | None = None
    columns: Texts
    class_names: Mapping[str, Texts] = {}
    rows: Mapping[str, int] = {}
    alternate_layout: AlternateLayout | None = None
    restore: Restore | None = None
    download: Download | None = None


class TwoSplits(BaseModel, frozen=True, extra="forbid"):
    """The pool is one split, the test set another, both whole."""

    rule: Literal["two_splits"]
    pool: str
    test: str


class TwoSplitsCutTest(BaseModel, frozen=True, extra="forbid"):
    """Like ``two_splits``, but the test set is a shuffled fraction of its split."""

    rule: Literal["two_splits_cut_test"]
    pool: str
    test: str
    seed: int
    test_fraction: float = Field(gt=0, le=1)


class OneSplit(BaseModel, frozen=True, extra="forbid"):
    """One shuffled split: the pool is its start, the test set begins at ``test_start_fraction``."""

    rule: Literal["one_split"]
    origin: str = Field(alias="from")
    seed: int
    pool_fraction: float = Field(gt=0, le=1)
    test_start_fraction: float = Field(ge=0, lt=1)


class OneSplitCounts(BaseModel, frozen=True, extra="forbid"):
    """One shuffled split, cut at line numbers ``[from, to)``."""

    rule: Literal["one_split_counts"]
    origin: str = Field(alias="from")
    seed: int
    pool: tuple[int, int]
    test: tuple[int, int]


Splits = Annotated[
    TwoSplits | TwoSplitsCutTest | OneSplit | OneSplitCounts, Field(discriminator="rule")
]
