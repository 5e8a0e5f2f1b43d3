"""One trial: as a driver runs it, and as the studies store has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from mpt.search.earlier_numbers import reason_of

if TYPE_CHECKING:
    from datetime import datetime

    from optuna.trial import FrozenTrial, TrialState

State = Literal["complete", "diverged", "pruned", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Trial:
    """One trial as the store has it.

    Attributes:
        number: Optuna's, from 0; the only one that a trial has, wherever it is named.
        state: ``complete``; ``diverged`` or ``pruned``, with ``step`` and ``reason``; ``failed``,
            so that the same command retries it; ``running``; or ``waiting`` for the next driver.
        arg: validation ARG in percent, with its 95 % interval from ``low`` to ``high``.
        error: class of the error (``mpt.study.error_policy``), if there was one.
        digest: of the meta-training, or of the part of it that ran before it was pruned; the key in
            the ledger and the name of the prompt file.
        step: the meta-step at which it diverged or was pruned, or the number of scores after which
            it was pruned.
        started, ended: milliseconds since 1970, 0 if it has not.
    """

    number: int
    params: Mapping[str, float]
    state: State
    digest: str = ""
    arg: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    step: int | None = None
    error: str = ""
    started: int = field(default=0, compare=False)
    ended: int = field(default=0, compare=False)

    @property
    def is_over(self) -> bool:
        """Tell whether it is neither running nor waiting."""
        return self.state not in ("running", "waiting")


@dataclass(frozen=True, slots=True)
class OpenTrial:
    """A trial that a driver is running.

    Attributes:
        params: all of its parameters.
        key: its id in the store; 0 if a finished trial is only replayed.
        started: milliseconds since 1970.
    """

    number: int
    params: Mapping[str, float]
    key: int = field(default=0, compare=False)
    started: int = field(default=0, compare=False)


@dataclass(slots=True)
class StoredTrial:
    """The fields of Optuna's ``FrozenTrial`` that ``trial_of`` reads, from its tables."""

    number: int
    state: TrialState
    datetime_start: datetime | None
    datetime_complete: datetime | None
    value: float | None
    params: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)


def trial_of(stored: FrozenTrial | StoredTrial) -> Trial:
    """Convert one of Optuna's trials, or one read from its tables."""
    attrs = stored.user_attrs
    low, high = attrs.get("interval", (None, None))
    # a pruned trial without an ``end`` diverged: it is older than the pruners
    ends: Mapping[str, State] = {
        "COMPLETE": "complete",
        "PRUNED": attrs.get("end", "diverged"),
        "FAIL": "failed",
        "WAITING": "waiting",
    }
    state = ends.get(stored.state.name, "running")
    return Trial(
        number=stored.number,
        params=stored.params,
        state=state,
        digest=attrs.get("digest", ""),
        arg=stored.value if state == "complete" else None,
        low=low,
        high=high,
        reason=reason_of(attrs.get("reason") or ""),
        step=attrs.get("step"),
        error=attrs.get("error") or "",
        started=milliseconds(stored.datetime_start),
        ended=milliseconds(stored.datetime_complete),
    )


def milliseconds(time: datetime | None) -> int:
    """Return a time in milliseconds since 1970; 0 for none."""
    return round(time.timestamp() * 1000) if time else 0


def param_of(distribution: str, value: float) -> Any:
    """Return a parameter as it was suggested, from its columns in Optuna's tables."""
    return _distribution(distribution).to_external_repr(value)


@cache
def _distribution(text: str) -> Any:
    from optuna.distributions import json_to_distribution

    return json_to_distribution(text)
