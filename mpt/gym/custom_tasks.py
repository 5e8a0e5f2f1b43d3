"""A custom task: a folder with rows (JSONL, CSV, TSV) and a small ``card.yaml``.

::

    family: classification        # any name; a settings file groups custom tasks
    kind: classification          # `shots` per distinct target; text_to_text: `shots` in total
    metric: ACC
    rows: reviews.csv             # or {pool: train.jsonl, test: test.jsonl}
    input: "review: {text|clean}"
    target: "{label}"

Rows become examples exactly as CrossFit's do (same templates, transforms, splits and sampling);
``docs/own-tasks.md`` has a worked example. Without ``rows`` the folder holds split files in
CrossFit's TSV layout and the card only describes the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, StrictFloat, StrictInt, ValidationError

from mpt.errors import ConfigError, DataError, InputError
from mpt.files.atomic import contained
from mpt.files.reading import read_yaml
from mpt.files.table import check_columns
from mpt.gym.build.card_source import Texts
from mpt.gym.build.cards import Card, Condition, Options, RowGroup, Target
from mpt.gym.build.catalogue import one_line, read_card
from mpt.gym.build.mapping import numbered_lines
from mpt.gym.build.sampling import Numbers, Parts, Shots, read_parts, sample
from mpt.gym.build.template import Path as RowPath
from mpt.gym.build.template import Template
from mpt.gym.custom_rows import read_custom_rows
from mpt.gym.splits import Example, FewShotSplit, TaskCard
from mpt.gym.tsv_task import TsvTask, find_tsv_task

CARD = "card.yaml"

_MISSING = frozenset(("nan", "NaN", "NaT", "<NA>"))
"""What pandas writes for a missing value when a column is converted to text."""


class TwoFiles(BaseModel, frozen=True, extra="forbid"):
    """Two files of rows: train and dev are drawn from ``pool``, ``test`` is the test set."""

    pool: str
    test: str


class CustomCard(BaseModel, frozen=True, extra="forbid"):
    """The fields of ``card.yaml``.

    Attributes:
        rows: one file, of which ``test_fraction`` (shuffled) becomes the test set; or two files;
            or None if the folder holds split files.
        target: a template, or one of the forms of ``mpt.gym.build.cards.Target``.
    """

    family: str
    subfamily: str = "own"
    kind: Literal["classification", "text_to_text"]
    metric: str
    shots: StrictInt | None = Field(default=None, gt=0)
    licence: str = "unknown"
    rows: str | TwoFiles | None = None
    test_fraction: StrictFloat = Field(default=0.2, gt=0, lt=1)
    input: str = ""
    input_post: Texts = ()
    target: str | Target | None = None
    keep: tuple[Condition, ...] = ()
    group: RowGroup | None = None
    options: Options | None = None
    procedure: Mapping[str, str | int | Texts] | None = None


@dataclass(frozen=True)
class MemoryLines:
    """The lines of one file, in memory; fields may contain LF and CR, TABs separate answers."""

    lines: list[Example]

    def __len__(self) -> int:
        return len(self.lines)

    def label(self, number: int) -> int:
        """Return the number of a line's label; see ``Labelled.label``."""
        return self._labels[self.lines[number].targets]

    @cached_property
    def _labels(self) -> Mapping[tuple[str, ...], int]:
        distinct = dict.fromkeys(example.targets for example in self.lines)
        return {targets: at for at, targets in enumerate(distinct)}

    def examples(self, numbers: Numbers) -> tuple[Example, ...]:
        """Return the lines with these numbers as examples."""
        return tuple(self.lines[number] for number in numbers)


@dataclass(frozen=True)
class CustomTask:
    """A task made from rows in its folder, split and sampled on demand."""

    folder: Path
    card: Card
    files: Mapping[str, Path]
    shots: Shots

    @property
    def facts(self) -> TaskCard:
        """Return the task's card, with the shots in use."""
        facts = self.card.facts
        return facts if self.shots == "all" else replace(facts, shots=self.shots)

    @property
    def size(self) -> int:
        """Return the size in bytes of the file that the test set is taken from."""
        return list(self.files.values())[-1].stat().st_size

    def split(self, seed: int) -> FewShotSplit:
        """Return the examples under ``seed``. Raises ``DataError``."""
        parts = self._parts
        train, dev = sample(parts, self.card.kind, self.shots, seed)
        pool = parts.pool_lines or parts.test_lines
        chosen = {
            "train": pool.examples(train),
            "dev": pool.examples(dev),
            "test": parts.test_lines.examples(parts.test),
        }
        for part, examples in chosen.items():
            if not examples:
                raise DataError(
                    f"{self.folder}: {part} is empty: too few rows for k = {self.shots}",
                    fix="give more rows or fewer `shots`",
                )
        return FewShotSplit(self.card.task, self.card.metric, seed, **chosen)

    @cached_property
    def _parts(self) -> Parts[MemoryLines]:
        lines = {}
        for split, path in self.files.items():
            lines[split] = MemoryLines(list(self._examples(path)))
        return read_parts(self.card, lines.get)

    def _examples(self, path: Path) -> Iterator[Example]:
        table = read_custom_rows(path)
        check_columns(path, table.columns, self.card.source.columns)

        def row_error(number: int, cause: Exception) -> DataError:
            return DataError(
                f"{path}:{table.lines[number]}: {cause}",
                fix=f"correct that row, or leave it out with `keep` in {CARD}",
            )

        for number, (text, target) in numbered_lines(self.card, table.rows, row_error):
            try:
                example = Example.loaded(text, target.split("\t"))
                if missing := _MISSING.intersection(example.targets):
                    raise ValueError(f"the answer is {min(missing)!r}, a missing value in a table")
            except ValueError as error:
                raise row_error(number, error) from None
            yield example


def find_custom_task(folder: Path, shots: int | str | None = None) -> CustomTask | TsvTask:
    """Return the task that the card in ``folder`` describes.

    Raises:
        ConfigError: the card has an unknown key, metric or transform, a wrong type, or names rows
            outside its folder.
        DataError: a file of rows is missing.
    """
    custom = _read(folder)
    default = custom.shots or (16 if custom.kind == "classification" else 32)
    where = str(folder / CARD)
    if custom.rows is None:
        fields = custom.model_dump(include={"family", "subfamily", "kind", "metric"})
        source = {"dataset": folder.name, "columns": []}
        blank = {"splits": {"rule": "two_splits", "pool": "train", "test": "test"}, "input": ""}
        text = {"form": "text", "template": ""}
        facts = _card(
            where,
            folder.name,
            {**fields, **blank, "source": source, "target": text, "shots": default},
        )
        return find_tsv_task(folder, facts.facts, shots)
    if not custom.input or custom.target is None:
        raise ConfigError(f"{where}: with `rows` the card also needs `input` and `target`")
    names = custom.rows.model_dump() if isinstance(custom.rows, TwoFiles) else {"rows": custom.rows}
    files = {split: folder / name for split, name in names.items()}
    for split, path in files.items():
        contained(folder, names[split], f"{where}: rows", "put the file itself into that folder")
        if not path.is_file():
            raise DataError(
                f"{where}: the rows {path} are missing",
                fix="put the file there",
            )
    card = _recipe(where, folder.name, custom, default)
    wanted = default if shots is None else "all" if shots == "all" else int(shots)
    return CustomTask(folder, card, files, wanted)


def _read(folder: Path) -> CustomCard:
    path = folder / CARD
    try:
        fields = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({error})") from None
    if not isinstance(fields, dict):
        raise ConfigError(
            f"{path}: must hold keys such as family, kind, metric, rows, input, target"
        )
    target = fields.get("target")
    if isinstance(target, dict) and isinstance(target.get("map"), dict):
        fields["target"] = {
            **target,
            "map": {str(key): text for key, text in target["map"].items()},
        }
    try:
        return CustomCard.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"{path}: {one_line(error.errors())}") from None


def _recipe(where: str, task: str, custom: CustomCard, shots: int) -> Card:
    """Return the card that CrossFit's builder needs for these rows."""
    fields = custom.model_dump(exclude={"rows", "test_fraction", "target"}, exclude_none=True)
    target = custom.target
    if isinstance(target, str):
        form: object = {"form": "text", "template": target}
    else:
        form = target.model_dump(exclude_none=True) if target is not None else None
    if isinstance(custom.rows, TwoFiles):
        splits: dict = {"rule": "two_splits", "pool": "pool", "test": "test"}
    else:
        cut = 1 - custom.test_fraction
        splits = {"rule": "one_split", "from": "rows", "seed": 42}
        splits |= {"pool_fraction": cut, "test_start_fraction": cut}
    source = {"dataset": task, "columns": []}
    made = {**fields, "shots": shots, "splits": splits, "source": source, "target": form}
    card = _card(where, task, made)
    columns = sorted(column for column in _columns(card) if not column.startswith("$"))
    return _card(where, task, {**made, "source": {**source, "columns": columns}})


def _columns(card: Card) -> set[str]:
    """Return the columns that the input and the target name."""
    columns = set(Template.parse(card.input).columns)
    path = getattr(card.target, "path", None)
    template = getattr(card.target, "template", None)
    if path is not None:
        columns.add(RowPath.parse(path).column)
    return columns | set(Template.parse(template).columns) if template is not None else columns


def _card(where: str, task: str, fields: Mapping[str, object]) -> Card:
    try:
        return read_card(task, fields)
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from None
