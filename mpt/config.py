"""Frozen configurations: what is computed, and nothing about where, when or beside what.

Equal configurations are the same unit of work: the digest is the ledger's key, the root of every
random stream and the name of the artefact. How units are packed, on which device they run and how
their data were found (a path, a mirror) are not part of it; what the data and weights *are* is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    field_validator,
    model_validator,
)

from mpt import methods
from mpt.precision import fastest_precision
from mpt.schema import PLACE, Frozen, Schema, key_of, stored_as

# true is no number, 2.0 no count and '3' neither: a file means what its reader sees
Count = Annotated[StrictInt, Field(ge=1)]
Rate = Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)]
OptimiserName = Literal["adafactor", "adamw", "sgd"]
Place = Literal["before", "after"]
Precision = Literal["fp32", "tf32", "bf16"]
Shots = Count | Literal["all"]
Scoring = Literal["generation", "labels"]


MethodName = Annotated[str, key_of(lambda: methods.METHODS)]
"""A name of the table ``mpt.methods.METHODS``."""

NotStoredUnset = Field(exclude_if=lambda value: value is None)
"""Annotates a field that is younger than stored configurations: unset, it is not written."""

NotStoredGenerated = Field(exclude_if=lambda value: value == "generation")
"""Annotates a ``Scoring`` likewise: stored configurations without one were scored so."""

MethodArgs = Annotated[Mapping[str, Count | Rate] | None, NotStoredUnset]

PROMPT_INITS = ("vocabulary", "tasks", "labels", "random", "text:WORDS", "prompt:DIGEST")
"""What a prompt can be initialised with, see ``mpt.backbone.prompt.begin``."""
INIT_PATTERN = r"^(vocabulary|tasks|labels|random|text:.*\S.*|prompt:[0-9a-f]{12})$"

VOCABULARY = "vocabulary"
"""The start of plain prompt tuning: rows copied from the backbone's embedding table."""

FINE_TUNING = "fine-tuning"
"""Where a prompt's start would stand: no prompt at all, the whole model is trained."""

LOCAL = "local"
"""The name, in units of work, of a backbone on this disk: its ``weights`` say which."""


class BackboneConfig(Frozen):
    """Which frozen language model, and how much text it reads and writes.

    Attributes:
        name: ``mini``, a Hub id, a local folder or a GGUF file.
        prompt_tokens: P, rows of the soft prompt (100 in the paper).
        prompt_position: ``before`` the input, as the paper says, or appended right ``after`` its
            last token, as its authors ran it.
        prompt_init: what a prompt is initialised with, one of ``PROMPT_INITS``.
        precision: of weights and activations; prompts, gradients, the optimiser's state and losses
            stay in float32. ``tf32``: weights in float32, products of GPUs in TensorFloat-32.
            ``auto`` is read as what this machine is fastest in, so that a digest says which it was.
        prepend_task_name: whether ``[task name]`` is written before every input, as the authors do.
        max_input: input tokens kept, the closing ``</s>`` among them; the prompt is not counted.
        max_target: target tokens kept in training and generated at most in evaluation.
    """

    SCHEMA: ClassVar[Schema] = Schema("BackboneConfig")
    name: str = "mini"
    prompt_tokens: Count = 10
    prompt_position: Annotated[Place, stored_as("prompt_place")] = "before"
    prompt_init: Annotated[str, Field(pattern=INIT_PATTERN), stored_as("prompt_start")] = (
        "vocabulary"
    )
    precision: Precision = "fp32"
    prepend_task_name: Annotated[StrictBool, stored_as("name_tasks")] = False
    max_input: Count = 64
    max_target: Count = 16

    @field_validator("precision", mode="before")
    @classmethod
    def _concrete(cls, given: object) -> object:
        return fastest_precision() if given == "auto" else given

    def before(self, task: str) -> str:
        """What is written before every input of a task."""
        return f" [{task}] " if self.prepend_task_name else ""


class InnerLoop(Frozen):
    """Adaptation to one episode: ``steps`` of SGD at ``lr``, each on ``batch`` support rows."""

    SCHEMA: ClassVar[Schema] = Schema("InnerLoop")
    lr: Rate = 1.0
    steps: Count = 3
    batch: Count = 8


class OuterLoop(Frozen):
    """Updates of the initial prompt: ``episodes`` tasks each, evaluated on ``batch`` query rows."""

    SCHEMA: ClassVar[Schema] = Schema("OuterLoop")
    optimiser: OptimiserName = "adafactor"
    lr: Rate = 0.3
    steps: Count = 60
    episodes: Count = 4
    batch: Count = 8


class Habits(Frozen):
    """What a meta-training does as the paper's authors did, where mpt does otherwise by itself.

    Attributes:
        max_target: target tokens kept, where it is not ``BackboneConfig.max_target``.
        draws: support rows with replacement where a unit has fewer than an episode takes; else it
            is gone through once more.
        pooled: batches of all units' rows in epochs, each row once, in one order for all epochs;
            else every batch is a draw of its own.
        meta_batch: directions of an update's episodes are added up; else their mean is taken.
    """

    SCHEMA: ClassVar[Schema] = Schema("Habits")
    max_target: Count | None = None
    draws: Literal["replacement"] | None = None
    pooled: Literal["epochs"] | None = None
    meta_batch: Literal["sum"] | None = None


class RunConfig(Frozen):
    """One meta-training: an initial prompt learned on source tasks.

    Attributes:
        backbone: a folder or file is called ``LOCAL`` here, wherever it lies.
        weights: identity of the backbone's weights and tokenizer.
        sources: source tasks, each with all of ``data_seeds``: one unit per (task, seed).
        data: digest over the splits of the sources, so that changed rows are another run.
        shots: k of the source tasks' train and dev sets, where it is not their official one.
        revision: which formula of the method, where it is not the first (``mpt.methods.Revision``).
        habits: set under ``protocol: authors``.
        method_args: every argument of a method that has some of its own, see ``mpt.methods.Arg``.
        place: where a backbone that is called ``LOCAL`` lay; not part of the digest.
    """

    SCHEMA: ClassVar[Schema] = Schema("RunConfig")
    kind: ClassVar[str] = "meta"
    backbone: BackboneConfig
    weights: str
    method: MethodName
    inner: InnerLoop
    outer: OuterLoop
    sources: tuple[str, ...]
    data_seeds: tuple[StrictInt, ...]
    data: str
    seed: StrictInt = 0
    shots: Shots | None = None
    revision: Count | None = None
    habits: Habits | None = None
    method_args: MethodArgs = None
    place: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_every_arg(cls, given: Any) -> Any:
        known = methods.METHODS.get(given.get("method", "")) if isinstance(given, Mapping) else None
        if known is None or not known.args:
            return given
        return {**given, "method_args": known.arguments(given.get("method_args") or {})}

    @property
    def whole(self) -> RunConfig:
        """The meta-training that checkpoints are named by."""
        return self

    @cached_property
    def root(self) -> str:
        """The digest under the method's first formula: random streams are named by it, so that a
        mended formula meets the same rows in the same order."""
        return self._digest_without("revision")

    @property
    def updates(self) -> int:
        """Updates after which it stops."""
        return self.outer.steps


class PausedRun(RunConfig):
    """The first ``pause`` updates of a meta-training, which may go on from there."""

    SCHEMA: ClassVar[Schema] = Schema("PausedRun")
    pause: Count

    @property
    def whole(self) -> RunConfig:
        """See ``RunConfig.whole``."""
        return RunConfig.model_validate(self.model_dump(exclude={"pause"}))

    @property
    def updates(self) -> int:
        """See ``RunConfig.updates``."""
        return self.pause

    @classmethod
    def of(cls, run: RunConfig, pause: int) -> PausedRun:
        """The beginning of a meta-training."""
        return cls(**run.model_dump(), pause=pause)


class Tuning(Frozen):
    """Few-shot prompt tuning on one target task (paper, section 4.2).

    Attributes:
        steps: updates on batches of ``batch`` training rows.
        num_evals: evaluations of the dev set, evenly spaced; the best one's prompt is tested.
        num_beams: 1 decodes greedily; more is the authors' beam search, see ``Backbone.generate``.
        epochs: at most so many passes over the task's training rows; a cell has none, as its
            ``steps`` are counted (``for_rows``).
        dev_rows: at most so many rows of dev are scored at an evaluation, evenly spaced.
        test_rows: at most so many rows of test are scored, see ``FewShotSplit.test_places``.
        scoring: how dev and test are answered: by decoding, or by the likeliest of the ``labels``
            where the task has any (``mpt.gym.labels``), else by decoding too.
    """

    SCHEMA: ClassVar[Schema] = Schema("Tuning")
    optimiser: OptimiserName = "adafactor"
    steps: Count = 40
    batch: Count = 8
    num_evals: Annotated[Count, stored_as("looks")] = 4
    num_beams: Annotated[Count, stored_as("beams")] = 1
    epochs: Count | None = None
    dev_rows: Annotated[Count | None, NotStoredUnset] = None
    test_rows: Annotated[Count | None, NotStoredUnset] = None
    scoring: Annotated[Scoring, NotStoredGenerated] = "generation"

    def for_rows(self, rows: int) -> Tuning:
        """Return the budget for a task of so many training rows, evaluated as often per update."""
        return _for_rows(self, rows)


class CellConfig(Frozen):
    """One downstream cell: a target task, a data seed and a learning rate, from a given start.

    Attributes:
        start: ``VOCABULARY`` for plain prompt tuning, or the digest of a ``RunConfig``.
        data: digest of the task's split under ``data_seed``.
        shots: k of the task's train and dev set, where it is not the official one.
        place: as in ``RunConfig``.
    """

    SCHEMA: ClassVar[Schema] = Schema("CellConfig")
    kind: ClassVar[str] = "cell"
    backbone: BackboneConfig
    weights: str
    task: str
    data_seed: StrictInt
    data: str
    start: str
    lr: Rate
    tuning: Tuning
    shots: Shots | None = None
    place: str | None = None


FULL_LRS = (5e-4, 3e-4, 2e-4, 1e-4)
"""The rates that the paper's authors fine-tuned at."""


class FineTuning(Frozen):
    """Few-shot training of the whole model on one target task, by Adafactor as for prompts.

    Attributes:
        steps, batch, num_evals, num_beams, epochs, test_rows, scoring: as in ``Tuning``.
    """

    SCHEMA: ClassVar[Schema] = Schema("FineTuning")
    steps: Count = 40
    batch: Count = 8
    num_evals: Annotated[Count, stored_as("looks")] = 4
    num_beams: Annotated[Count, stored_as("beams")] = 1
    epochs: Count | None = None
    test_rows: Annotated[Count | None, NotStoredUnset] = None
    scoring: Annotated[Scoring, NotStoredGenerated] = "generation"

    def for_rows(self, rows: int) -> FineTuning:
        """See ``Tuning.for_rows``."""
        return _for_rows(self, rows)


class FineTuneConfig(Frozen):
    """One cell of full fine-tuning: a target task, a data seed and a learning rate.

    Attributes:
        backbone: where training begins; its prompt settings stand at their defaults, whatever is
            given, as no prompt is read.
        data: digest of the task's split under ``data_seed``.
        shots: as in ``CellConfig``.
        place: as in ``RunConfig``.
    """

    SCHEMA: ClassVar[Schema] = Schema("FineTuneConfig")
    kind: ClassVar[str] = "finetune"
    start: ClassVar[str] = FINE_TUNING
    backbone: BackboneConfig
    weights: str
    task: str
    data_seed: StrictInt
    data: str
    lr: Rate
    tuning: FineTuning
    shots: Shots | None = None
    place: str | None = None

    @field_validator("backbone")
    @classmethod
    def _without_prompt(cls, given: BackboneConfig) -> BackboneConfig:
        return BackboneConfig(**given.model_dump(exclude=_PROMPT))


@dataclass(frozen=True)
class BackboneIdentity:
    """How units of work know a backbone, so that a folder is the same one wherever it lies.

    Attributes:
        weights: identity of its weights and tokenizer.
        name: in place of its own, for what lies on this disk.
        place: where that lies.
    """

    weights: str
    name: str | None = None
    place: str | None = None

    def fields(self, backbone: BackboneConfig) -> dict[str, object]:
        """The fields of a unit that say which backbone it is of."""
        if self.name is not None:
            backbone = BackboneConfig(**{**backbone.model_dump(), "name": self.name})
        return {"backbone": backbone, "weights": self.weights, PLACE: self.place}

    def named(self, config: RunConfig) -> RunConfig:
        """The meta-training as a unit of work."""
        return RunConfig(**{**config.model_dump(), **self.fields(config.backbone)})


UnitConfig = RunConfig | CellConfig | FineTuneConfig
"""What is computed as one unit of work; a ``PausedRun`` is a ``RunConfig``."""


def located(config: UnitConfig) -> BackboneConfig:
    """Return the backbone of a unit, called by what it can be loaded from."""
    chosen = config.backbone
    return chosen.model_copy(update={"name": config.place}) if config.place else chosen


def located_in(stored: Mapping[str, object]) -> BackboneConfig:
    """Return the same of a stored configuration, of which no more is known than its backbone."""
    chosen = BackboneConfig.model_validate(stored["backbone"])
    place = stored.get(PLACE)
    return chosen.model_copy(update={"name": place}) if place else chosen


_PROMPT = {"prompt_tokens", "prompt_position", "prompt_init"}

Budget = TypeVar("Budget", Tuning, FineTuning)


def _for_rows(budget: Budget, rows: int) -> Budget:
    steps = budget.steps
    if budget.epochs is not None:
        steps = min(steps, budget.epochs * ceil(rows / budget.batch))
    num_evals = max(1, round(budget.num_evals * steps / budget.steps))
    kept = budget.model_dump(exclude={"epochs", "steps", "num_evals"})
    return type(budget)(**kept, steps=steps, num_evals=num_evals)
