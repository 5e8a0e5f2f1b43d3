"""One finished unit of work, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from mpt.config import CellConfig, FineTuneConfig, PausedRun, RunConfig, UnitConfig
from mpt.schema import digest_of
from mpt.store.results import (
    CellResult,
    DivergedResult,
    FailedResult,
    MetaResult,
    MissingResult,
    Result,
)

State = Literal["done", "diverged", "failed", "missing"]


@dataclass(frozen=True)
class DamagedConfig:
    """A configuration that its unit's digest is not of, kept so that it can be shown.

    Attributes:
        record: the JSON object that was read.
        fault: what is wrong with it.
    """

    record: Mapping[str, Any]
    fault: str = "its configuration is another one's"

    def stored(self) -> dict[str, Any]:
        """Return the record."""
        return dict(self.record)


_KINDS: Mapping[str, Sequence[type[UnitConfig]]] = {
    RunConfig.kind: (RunConfig, PausedRun),
    CellConfig.kind: (CellConfig,),
    FineTuneConfig.kind: (FineTuneConfig,),
}
KINDS = tuple(_KINDS)


def read_config(
    digest: str, record: Mapping[str, Any], kinds: Iterable[str] = KINDS
) -> UnitConfig | DamagedConfig:
    """Read the configuration of a unit.

    Args:
        digest: of the unit, which says what the configuration must be.
        record: the JSON object of its row or of its prompt's file.
        kinds: of which its kind must be one.
    """
    for one in (one for kind in kinds for one in _KINDS[kind]):
        if digest_of(one.SCHEMA, record) == digest:
            try:
                return one.model_validate(record)
            except ValidationError:
                return DamagedConfig(record, "its configuration is not one of this mpt")
    return DamagedConfig(record)


@dataclass(frozen=True)
class Unit:
    """A meta-training, a downstream cell or a fine-tuning that has come to an end.

    Attributes:
        digest: identity of its configuration.
        kind: ``meta``, ``cell`` or ``finetune``.
        config: what was computed.
        state: ``done`` and ``diverged`` are final; ``failed`` may be tried again;
            ``missing`` was asked for and is in no ledger.
        result: scores and curves, or the step and reason of its end; what computed it.
        artefact: its prompt's file, relative to the home folder; None where there is no prompt.
        seconds: its share of the wall time.
        created: when it ended, UTC.
    """

    digest: str
    kind: str
    config: UnitConfig | DamagedConfig
    state: State
    result: Result
    artefact: str | None
    seconds: float
    created: datetime

    @property
    def reason(self) -> str:
        """Why there are no scores, in words; empty where there are."""
        match self.result:
            case DivergedResult(reason=reason) | FailedResult(reason=reason):
                return reason
            case MissingResult(reason=reason):
                return reason
            case _:
                return ""

    @property
    def curve(self) -> tuple[float, ...]:
        """The training loss (nats) of every update; empty where it did not come to its end."""
        result = self.result
        return result.curve if isinstance(result, MetaResult | CellResult) else ()
