"""What a unit of work came to, as the ledger keeps it: one frozen type for each way to end.

The names that stand in stored JSON are data here as in ``mpt.schema``. Keys that this version does
not know, of an older ledger or a newer one, are kept and written back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

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
    """A part of a unit's record: immutable, and written as it was read."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
    )

    def stored(self, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the record under its stored names: every key that was given, and no other.

        Args:
            without: fields that are left out.
        """
        return self.model_dump(exclude_unset=True, exclude=set(without))


class Software(Stored):
    """Which software computed a unit: versions, the commit of its checkout, and whether files
    differed from that."""

    mpt: str | None = None
    torch: str | None = None
    transformers: str | None = None
    python: str | None = None
    commit: str | None = None
    dirty: StrictBool | None = None


class Numerics(Stored):
    """What the bits of a result hang on beside configuration and software.

    Attributes:
        device, threads, processor, matmul, settings: see ``mpt.engine.threads.numerics``.
        pack: how many runs shared the pass.
    """

    device: str | None = None
    threads: int | None = None
    processor: str | None = None
    matmul: str | None = None
    settings: Mapping[str, str] = {}
    pack: int | None = None

    @property
    def ways(self) -> dict[str, Any]:
        """All but the size of the pack: what two units must share to be rounded alike."""
        return self.stored(without=frozenset({"pack"}))


class StepRecord(Stored):
    """How the steps were computed: the fields of ``mpt.engine.plan.StepPlan`` as they are stored.

    Attributes:
        attention: not in records of mpt's first ledgers.
    """

    engine: str
    rows: int
    why: str
    attention: str | None = None


class Result(Stored):
    """What every result may hold."""

    software: Annotated[Software | None, Field(description="a record of versions")] = None
    numerics: Annotated[Numerics | None, Field(description="a record of numerics")] = None


class MetaResult(Result):
    """A meta-training, whole or paused, that came to its end.

    Attributes:
        curve: the loss (nats) of every update.
        learned: least, mean and greatest number of what its method learned beside the prompt.
        prompt_sha256: of its prompt's file; units of older ledgers have none.
    """

    curve: _Curve
    plan: Annotated[StepRecord | None, Field(description="a plan")] = None
    learned: _Extremes = {}
    prompt_sha256: _Hash = None


class CellResult(Result):
    """A downstream cell or a fine-tuning that came to its end.

    Attributes:
        dev, test: scores of the best prompt or weights on dev.
        best_step: updates taken when these were found.
        dev_evals: (updates taken, dev score) of every evaluation.
        curve: the training loss (nats) of every update.
        prompt_sha256: as in ``MetaResult``; a fine-tuning has no prompt.
    """

    dev: _Score
    test: _Score
    best_step: _Step
    dev_evals: _DevEvals
    curve: _Curve
    plan: Annotated[StepRecord | None, Field(description="a plan")] = None
    prompt_sha256: _Hash = None


class DivergedResult(Result):
    """A unit whose numbers ceased to be finite, which is final."""

    reason: _Reason
    step: _Step


class FailedResult(Result):
    """A unit that an error kept from its end; the next command tries again.

    Attributes:
        error: its class, see ``mpt.study.error_policy``; not in records of mpt's first ledgers.
        step: the update at which it was raised, where that is known.
    """

    error: Annotated[StrictStr | None, Field(description="a class of errors")] = None
    reason: _Reason
    step: Annotated[_Step | None, Field(description="a step")] = None


class MissingResult(Result):
    """What is said of a unit that is in no ledger."""

    reason: str = "not in this ledger"


class DamagedResult(Result):
    """A record that no computation gives, kept so that it can be shown, and its unit forgotten.

    Attributes:
        fault: what is wrong with it.
        record: the JSON object that was read.
    """

    fault: str
    record: Mapping[str, Any]

    def stored(self, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """See ``Stored.stored``."""
        return {key: value for key, value in self.record.items() if key not in without}


def read_result(kind: str, state: str, record: Mapping[str, Any]) -> Result:
    """Read what a unit came to.

    Args:
        kind: of the unit: ``meta``, ``cell`` or ``finetune``.
        state: in which it ended.
        record: the JSON object of its row.

    Returns:
        The type of result that this kind and state have, or a ``DamagedResult``.
    """
    wanted = (MetaResult if kind == "meta" else CellResult) if state == "done" else _ENDED[state]
    try:
        return wanted.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]["loc"]
        return DamagedResult(
            fault=_fault(wanted, str(first[0]) if first else "", record), record=record
        )


_ENDED: Mapping[str, type[Result]] = {
    "diverged": DivergedResult,
    "failed": FailedResult,
    "missing": MissingResult,
}


def _fault(wanted: type[Result], name: str, record: Mapping[str, Any]) -> str:
    """What is wrong with a field, under the name that it is stored by."""
    field = wanted.model_fields[name]
    key = field.serialization_alias or name
    value = record.get(key)
    text = "missing" if value is None else repr(value)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return f"result.{key} is {text}, not {field.description}"
