"""One finished unit of work, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
        result: scores and curves, or the step and reason of its end, and the
            ``software`` that computed it (``mpt.store.software``) and the ``numerics`` that its
            bits hang on (``mpt.engine.threads``, and the size of its pack). JSON; NaN may occur.
        artefact: its prompt's file, relative to the home folder; None where there is no prompt.
        seconds: its share of the wall time.
        created: when it ended, UTC.
    """

    digest: str
    kind: str
    config: Mapping[str, object]
    state: State
    result: Mapping[str, object]
    artefact: str | None
    seconds: float
    created: datetime
