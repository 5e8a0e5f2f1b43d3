"""One finished unit of work, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
class Unit:
    """A meta-training, a downstream cell or a fine-tuning that has come to an end.

    Attributes:
        digest: identity of its configuration.
        kind: ``meta``, ``cell`` or ``finetune``.
        config: the resolved configuration, as JSON.
        state: ``done`` and ``diverged`` are final; ``failed`` may be tried again;
            ``missing`` was asked for and is in no ledger.
        result: scores and curves, or the step and reason of its end; what computed it.
        artefact: its prompt's file, relative to the home folder; None where there is no prompt.
        seconds: its share of the wall time.
        created: when it ended, UTC.
    """

    digest: str
    kind: str
    config: Mapping[str, object]
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
