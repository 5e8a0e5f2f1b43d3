"""Results of units of work as the ledger stores them: one frozen type for each way to end.

Stored names are data, as in ``mpt.schema``. Keys that this version does not know, because a newer
or older one wrote them, are kept and written back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from mpt.config import Scoring
from mpt.gym.metrics import is_possible
from mpt.schema import stored_as


def _expect_score(value: float) -> float:
    if not is_possible(None, value):
        raise ValueError("no score")
    return value


_Loss = Annotated[StrictFloat, Field(allow_inf_nan=False)]
_Score = Annotated[
    StrictFloat, AfterValidator(_expect_score), Field(description="a score from -1 to 1")
]
_Step = Annotated[StrictInt, Field(ge=0, description="a step")]
_Reason = Annotated[StrictStr, Field(description="a text")]
_Curve = Annotated[tuple[_Loss, ...], Field(description="a list of finite losses")]
_DevEvals = Annotated[
    tuple[tuple[_Step, _Score], ...],
    Field(description="a list of steps and scores"),
    stored_as("looks"),
]
_Extremes = Annotated[Mapping[str, Mapping[str, _Loss]], Field(description="finite numbers")]
_Hash = Annotated[StrictStr | None, Field(description="a SHA-256")]


class Stored(BaseModel):
    """Hold a part of a unit's record: immutable, and written back as it was read."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
    )

    def stored(self, *, without: frozenset[str] = frozenset()) -> dict[str, object]:
        """Return the record under its stored names, with only the keys that were given.

        Args:
            without: fields to leave out.
        """
        return self.model_dump(exclude_unset=True, exclude=set(without))


class Software(Stored):
    """Record which software computed a unit.

    Attributes:
        mpt, torch, transformers, python: versions.
        commit: of the checkout that mpt was in.
        dirty: whether files of the package differed from that commit.
    """

    mpt: str | None = None
    torch: str | None = None
    transformers: str | None = None
    python: str | None = None
    commit: str | None = None
    dirty: StrictBool | None = None


class Numerics(Stored):
    """Record what the bits of a result depend on besides configuration and software.

    Attributes:
        device, threads, processor, matmul, settings: see ``mpt.engine.cpu.numerics``.
        pack: how many runs were computed together.
    """

    device: str | None = None
    threads: int | None = None
    processor: str | None = None
    matmul: str | None = None
    settings: Mapping[str, str] = {}
    pack: int | None = None

    @property
    def ways(self) -> dict[str, object]:
        """All but the pack size: what two units must share for equal rounding."""
        return self.stored(without=frozenset({"pack"}))


class StepRecord(Stored):
    """Record how the steps were computed: the stored fields of ``mpt.engine.plan.StepPlan``.

    Attributes:
        attention: missing in records of the first ledgers.
    """

    engine: str
    rows: int
    why: str
    attention: str | None = None


class Result(Stored):
    """Hold what every result may hold."""

    software: Annotated[Software | None, Field(description="a record of versions")] = None
    numerics: Annotated[Numerics | None, Field(description="a record of numerics")] = None


class MetaResult(Result):
    """Hold the result of a meta-training that completed, or paused where it was meant to.

    Attributes:
        curve: the loss (nats) of every update.
        learned: least, mean and greatest value of what its method learned besides the prompt.
        prompt_sha256: of its prompt file; missing in units of older ledgers.
    """

    curve: _Curve
    plan: Annotated[StepRecord | None, Field(description="a plan")] = None
    learned: _Extremes = {}
    prompt_sha256: _Hash = None


class CellResult(Result):
    """Hold the result of a downstream cell or a fine-tuning that completed.

    Attributes:
        dev, test: scores, from -1 to 1, of the prompt or weights that were best on dev.
        best_step: updates taken when these were reached.
        dev_evals: (updates taken, dev score) of every evaluation.
        curve: the training loss (nats) of every update.
        prompt_sha256: as in ``MetaResult``; a fine-tuning has no prompt.
        scoring: how dev and test were answered; stored where it was not by generation.
    """

    dev: _Score
    test: _Score
    best_step: _Step
    dev_evals: _DevEvals
    curve: _Curve
    plan: Annotated[StepRecord | None, Field(description="a plan")] = None
    prompt_sha256: _Hash = None
    scoring: Annotated[Scoring, Field(description="a way to score")] = "generation"


class DivergedResult(Result):
    """Record that a unit's losses stopped being finite, which is final.

    Attributes:
        reason: for people.
        step: the update at which it happened.
    """

    reason: _Reason
    step: _Step


class FailedResult(Result):
    """Record that a unit ended with an error; the next command tries again.

    Attributes:
        error: its class, see ``mpt.study.error_policy``; missing in records of the first ledgers.
        reason: for people.
        step: the update at which it was raised, if known.
    """

    error: Annotated[StrictStr | None, Field(description="a class of errors")] = None
    reason: _Reason
    step: Annotated[_Step | None, Field(description="a step")] = None


class MissingResult(Result):
    """Stand for the result of a unit that the ledger does not have."""

    reason: str = "not in this ledger"


class DamagedResult(Result):
    """Keep a record that cannot be a result, so that it can be shown and its unit forgotten.

    Attributes:
        fault: what is wrong with it.
        record: the JSON object that was read.
    """

    fault: str
    record: Mapping[str, object]

    def stored(self, *, without: frozenset[str] = frozenset()) -> dict[str, object]:
        """See ``Stored.stored``."""
        return {key: value for key, value in self.record.items() if key not in without}


def read_result(kind: str, state: str, record: Mapping[str, object]) -> Result:
    """Parse the result of a unit.

    Args:
        kind: of the unit: ``meta``, ``cell`` or ``finetune``.
        state: of the unit, other than ``missing`` in a ledger.
        record: the JSON object in its row.

    Returns:
        The type of result that belongs to this kind and state, or a ``DamagedResult``.
    """
    result_type = (
        (MetaResult if kind == "meta" else CellResult) if state == "done" else _ENDED[state]
    )
    try:
        return result_type.model_validate(record)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        return DamagedResult(
            fault=_fault(result_type, str(location[0]) if location else "", record), record=record
        )


_ENDED: Mapping[str, type[Result]] = {
    "diverged": DivergedResult,
    "failed": FailedResult,
    "missing": MissingResult,
}


def _fault(result_type: type[Result], name: str, record: Mapping[str, object]) -> str:
    """Describe what is wrong with a field, under its stored name."""
    field = result_type.model_fields[name]
    key = field.serialization_alias or name
    value = record.get(key)
    text = "missing" if value is None else repr(value)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return f"result.{key} is {text}, not {field.description}"
