"""A pack that failed: the class of its error, and the units that stand for it in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

from mpt.compute.stopping import Stopped
from mpt.config import CellConfig, FineTuneConfig, RunConfig
from mpt.engine.memory import is_out_of_memory
from mpt.errors import DataError, MptError, OutOfMemory, StoreError
from mpt.store.results import FailedResult
from mpt.store.software import software
from mpt.store.unit import Unit
from mpt.study.error_policy import ErrorClass

Config = TypeVar("Config", RunConfig, CellConfig, FineTuneConfig)


class DivergedTrial(MptError):
    """A trial diverged, and the study's table of errors says stop."""


@dataclass(frozen=True)
class Failure(Generic[Config]):
    """A pack that was not computed, and why."""

    pack: Sequence[Config]
    error: Exception

    @property
    def kind(self) -> ErrorClass:
        """See ``error_class``."""
        return error_class(self.error)

    @property
    def shown(self) -> str:
        """The class in words."""
        return "out of memory" if self.kind == "out_of_memory" else f"{self.kind} error"

    @property
    def reason(self) -> str:
        """What went wrong, for people."""
        return blame(self.error)[1]

    def halves(self) -> list[Sequence[Config]]:
        """The pack in two, so that less is tried at once; nothing if it is of one run."""
        half = len(self.pack) // 2
        return [self.pack[:half], self.pack[half:]] if half else []

    def units(self) -> list[Unit]:
        """A failed unit for every run of the pack: its result is the class, reason and step."""
        step = getattr(self.error, "step", None)
        result = FailedResult(error=self.kind, reason=self.reason, step=step, software=software())
        return [
            Unit(
                digest=config.digest,
                kind=config.kind,
                config=config,
                state="failed",
                result=result,
                artefact=None,
                seconds=0.0,
                created=datetime.now(UTC),
            )
            for config in self.pack
        ]


def blame(error: BaseException) -> tuple[ErrorClass | Literal[""], str]:
    """The class of an error, and its reason in words; both empty for what is no failure."""
    if isinstance(error, Stopped | StoreError | KeyboardInterrupt):
        return "", ""
    named = "" if isinstance(error, MptError) else f"{type(error).__name__}: "
    return error_class(error), f"{named}{error}"


def error_class(error: BaseException) -> ErrorClass:
    """Which row of ``mpt.study.error_policy.Errors`` an exception of a pack falls under."""
    if isinstance(error, OutOfMemory) or is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, DivergedTrial):
        return "diverged"
    return "data" if isinstance(error, DataError) else "code"
