"""Packs that failed: the class of the error, and the failed units that the ledger records."""

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
    """Signal that a trial diverged, and that the study's error policy says to stop."""


@dataclass(frozen=True)
class Failure(Generic[Config]):
    """Describe a pack that could not be computed, and why."""

    pack: Sequence[Config]
    error: Exception

    @property
    def kind(self) -> ErrorClass:
        """Class of the error, see ``error_class``."""
        return error_class(self.error)

    @property
    def shown(self) -> str:
        """Class of the error in words."""
        return "out of memory" if self.kind == "out_of_memory" else f"{self.kind} error"

    @property
    def reason(self) -> str:
        """What went wrong, for people."""
        return blame(self.error)[1]

    def halves(self) -> list[Sequence[Config]]:
        """Split the pack in two, so that it needs less memory; empty for a pack of one run."""
        half = len(self.pack) // 2
        return [self.pack[:half], self.pack[half:]] if half else []

    def units(self) -> list[Unit]:
        """Build a failed unit, with the error's class, reason and step, for every run."""
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
    """Return the class and the reason of an error; both are empty for what is not a failure.

    Not failures: a requested stop, a store that cannot be used, and Ctrl-C.
    """
    if isinstance(error, Stopped | StoreError | KeyboardInterrupt):
        return "", ""
    prefix = "" if isinstance(error, MptError) else f"{type(error).__name__}: "
    return error_class(error), f"{prefix}{error}"


def error_class(error: BaseException) -> ErrorClass:
    """Return the row of ``mpt.study.error_policy.Errors`` that an exception belongs to."""
    if isinstance(error, OutOfMemory) or is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, DivergedTrial):
        return "diverged"
    return "data" if isinstance(error, DataError) else "code"
