"""The vocabulary of a task card: how rows of a data set become the lines of a few-shot task.

A card is data, checked when it is made: an unknown field, metric, transform, procedure or path is
an error before any row is read. ``docs/gym.md`` lists the 160 cards of CrossFit; a user's own task
is a card too (``docs/own-tasks.md``). The meaning of each field is that of the official builder of
2021, so that equal rows give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from mpt.errors import UnknownName
from mpt.gym.build.card_source import Source, Splits, Texts
from mpt.gym.build.procedures import PROCEDURES
from mpt.gym.build.template import Template
from mpt.gym.build.transforms import Step
from mpt.gym.metrics import METRICS
from mpt.gym.splits import TaskCard

Operator = Literal[
    "eq", "ne", "lt", "le", "gt", "ge", "in", "nonempty", "is_integer", "not_startswith",
    "not_contains",
]  # fmt: skip
Joiner = Literal["SPACE", "COMMA", "SEP", "TAB", "NONE"]


class Condition(BaseModel, frozen=True, extra="forbid"):
    """A condition for keeping a row: the value at ``path``, after ``via``, satisfies it."""

    path: str
    op: Operator
    value: bool | int | float | str | tuple[str, ...] | None = None
    via: Texts = ()


class RowGroup(BaseModel, frozen=True, extra="forbid"):
    """Merge rows with equal ``by`` (a path, or ``$input``); ``collect`` columns become lists."""

    by: str
    collect: Texts


class LettersAt(BaseModel, frozen=True, extra="forbid"):
    """Letters are the texts of the list at ``path``."""

    path: str


class LettersEach(BaseModel, frozen=True, extra="forbid"):
    """The letter of an option is the template ``each`` rendered with ``$item``."""

    each: str


class Chosen(BaseModel, frozen=True, extra="forbid"):
    """Which option is the answer: its number (plus ``add``) or its letter is at ``path``."""

    by: Literal["index", "letter"]
    path: str
    add: int = 0


class Options(BaseModel, frozen=True, extra="forbid"):
    """The options of a multiple-choice row: ``$options``, and ``$answer`` if ``answer`` is set."""

    items: str | Texts
    letters: Literal["alphabet"] | LettersAt | LettersEach
    show: str
    say: str = "{$item}"
    answer: Chosen | None = None


class LabelMap(BaseModel, frozen=True, extra="forbid"):
    """Target = the text of the integer class id at ``path``."""

    form: Literal["label_map"]
    path: str
    map: Mapping[str, str]


class Text(BaseModel, frozen=True, extra="forbid"):
    """Target = a rendered template."""

    form: Literal["text"]
    template: str


class Bin(BaseModel, frozen=True, extra="forbid"):
    """A number that satisfies ``op value`` becomes ``text``."""

    op: Operator
    value: float
    text: str


class Bins(BaseModel, frozen=True, extra="forbid"):
    """Target = the text of the first bin that contains the number at ``path``; else no line."""

    form: Literal["bins"]
    path: str
    bins: tuple[Bin, ...]
    otherwise: Literal["drop_row"]


class Where(BaseModel, frozen=True, extra="forbid"):
    """Keeps the answers whose element of the parallel list at ``path`` equals ``equals``."""

    path: str
    equals: int


class AnswerList(BaseModel, frozen=True, extra="forbid"):
    """Target = a list of texts, joined; joined by TAB they are alternative answers."""

    form: Literal["answers"]
    path: str
    join: Joiner
    take: Literal["keys"] | None = None
    where: Where | None = None
    if_none: str | None = None
    drop_empty: bool = False
    dedupe: Literal["set", "sorted_set"] | None = None
    each: Texts = ()


Target = Annotated[LabelMap | Text | Bins | AnswerList, Field(discriminator="form")]


class Checksum(BaseModel, frozen=True, extra="forbid", populate_by_name=True):
    """Whether the official bytes can be reproduced today.

    Attributes:
        kind: ``exact``; ``order_dependent`` (today's copy may differ: see ``reason``);
            ``set_order`` (several answers are in arbitrary order); ``unseeded``.
        verified_by: ``md5`` (all 15 files), ``test_md5`` (the 5 test files) or ``differential``
            (against the official program on synthetic rows).
    """

    kind: Literal["exact", "order_dependent", "set_order", "unseeded"] = Field(alias="class")
    reason: str = ""
    verified_by: Literal["md5", "test_md5", "differential"]


class Card(BaseModel, frozen=True, extra="forbid"):
    """One task of the gym. The fields are documented in this module's classes."""

    task: str
    family: str
    subfamily: str
    kind: Literal["classification", "text_to_text"]
    shots: int = Field(gt=0)
    metric: str
    licence: str = "unknown"
    source: Source
    splits: Splits
    keep: tuple[Condition, ...] = ()
    group: RowGroup | None = None
    procedure: Mapping[str, str | int | Texts] | None = None
    options: Options | None = None
    input: str
    input_post: Texts = ()
    target: Target
    checksum: Checksum | None = None
    notes: Texts = ()

    @property
    def facts(self) -> TaskCard:
        """Return the task's card without the source of its rows."""
        return TaskCard(
            task=self.task,
            family=self.family,
            subfamily=self.subfamily,
            kind=self.kind,
            shots=self.shots,
            metric=self.metric,
        )

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        if metric not in METRICS:
            raise UnknownName("metric", metric, METRICS)
        return metric

    @model_validator(mode="after")
    def _readable(self) -> Card:
        """Check that the builder knows every template, transform and procedure."""
        for text in self._templates():
            Template.parse(text)
        for step in self._steps():
            Step.parse(step)
        if self.procedure is not None:
            name = str(self.procedure.get("name"))
            if name not in PROCEDURES:
                raise UnknownName("procedure", name, PROCEDURES)
            PROCEDURES[name].check(self.procedure)
        return self

    def _templates(self) -> Iterator[str]:
        yield self.input
        if isinstance(self.target, Text):
            yield self.target.template
        if self.options is not None:
            yield from (self.options.show, self.options.say)
            if isinstance(self.options.letters, LettersEach):
                yield self.options.letters.each

    def _steps(self) -> Iterator[str]:
        yield from self.input_post
        for condition in self.keep:
            yield from condition.via
        if isinstance(self.target, AnswerList):
            yield from self.target.each
