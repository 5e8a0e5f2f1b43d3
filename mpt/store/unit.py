"""A finished unit of work, as the ledger stores it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
    """Keep a configuration that does not match its unit's digest, so that it can be shown.

    Attributes:
        record: the JSON object that was read.
        fault: what is wrong with it.
    """

    record: Mapping[str, object]
    fault: str = "its configuration is another one's"

    def stored(self) -> dict[str, object]:
        """Return the record."""
        return dict(self.record)


_KINDS: Mapping[str, Sequence[type[UnitConfig]]] = {
    RunConfig.kind: (RunConfig, PausedRun),
    CellConfig.kind: (CellConfig,),
    FineTuneConfig.kind: (FineTuneConfig,),
}
KINDS = tuple(_KINDS)


def read_config(
    digest: str, record: Mapping[str, object], kinds: Iterable[str] = KINDS
) -> UnitConfig | DamagedConfig:
    """Parse the configuration of a unit, and verify it against the unit's digest.

    Args:
        digest: of the unit.
        record: the JSON object in its row or in its prompt file.
        kinds: the kinds of unit that it may be.

    Returns:
        The configuration, or a ``DamagedConfig`` where the digest or the fields do not match.
    """
    for config_type in (config_type for kind in kinds for config_type in _KINDS[kind]):
        if digest_of(config_type.SCHEMA, record) == digest:
            try:
                return config_type.model_validate(record)
            except ValidationError:
                return DamagedConfig(record, "its configuration is not one of this mpt")
    return DamagedConfig(record)


@dataclass(frozen=True)
class Unit:
    """Describe a meta-training, downstream cell or fine-tuning that has ended.

    Attributes:
        digest: identity of its configuration.
        kind: ``meta``, ``cell`` or ``finetune``.
        config: what was computed.
        state: ``done`` and ``diverged`` are final; ``failed`` may be tried again; ``missing``
            stands for a unit that was needed but is not in the ledger.
        result: scores and curves, or the step and reason of its end; what computed it.
        artefact: its prompt file, relative to the home folder; None where there is no prompt.
        seconds: its share of its pack's wall time.
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
        """Why there are no scores, in words; empty if there are."""
        match self.result:
            case DivergedResult(reason=reason) | FailedResult(reason=reason):
                return reason
            case MissingResult(reason=reason):
                return reason
            case _:
                return ""

    @property
    def curve(self) -> tuple[float, ...]:
        """The training loss (nats) of every update; empty if the unit did not complete."""
        result = self.result
        return result.curve if isinstance(result, MetaResult | CellResult) else ()
