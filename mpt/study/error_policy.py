"""Errors by class: what a study does about each."""

from __future__ import annotations

from typing import Literal

from mpt.schema import Frozen

ErrorClass = Literal["out_of_memory", "diverged", "killed", "data", "code"]


class Errors(Frozen):
    """What a study does when something goes wrong; tracking never stops it, so has no choice.

    Attributes:
        out_of_memory: ``shrink``: micro-batches, then packs are halved, and what does not fit even
            alone fails; ``stop``: a pack that does not fit in micro-batches of one row stops.
        diverged: ``prune`` the trial and go on, or ``stop`` once it is on record.
        killed: ``resume`` the trials of a driver that died, or ``fail`` them: what kills a driver
            once may do so again.
        data: ``stop`` at a task, row or prompt that cannot be read, or ``fail`` what needs it.
        code: ``stop`` at any other error, or ``fail`` what caused it.
    """

    out_of_memory: Literal["shrink", "stop"] = "shrink"
    diverged: Literal["prune", "stop"] = "prune"
    killed: Literal["resume", "fail"] = "resume"
    data: Literal["stop", "fail"] = "stop"
    code: Literal["stop", "fail"] = "stop"

    def stops_at(self, kind: ErrorClass) -> bool:
        """Whether an error of this class ends the study for now."""
        return getattr(self, kind) == "stop"
