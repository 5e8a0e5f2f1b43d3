"""Error policy of a study: what it does about each class of error."""

from __future__ import annotations

from typing import Literal

from mpt.schema import Frozen

ErrorClass = Literal["out_of_memory", "diverged", "killed", "data", "code"]


class Errors(Frozen):
    """Choose what a study does about each class of error; tracking errors never stop it.

    Attributes:
        out_of_memory: ``shrink`` halves micro-batches, then packs, and fails a unit that does not
            fit even alone; ``stop`` ends the study at a pack that does not fit in micro-batches
            of one row.
        diverged: ``prune`` the trial and continue, or ``stop`` once it is recorded.
        killed: ``resume`` the trials of a driver that died, or ``fail`` them, as what killed the
            driver may do so again.
        data: ``stop`` at a task, row or prompt that cannot be read, or ``fail`` the units that
            need it.
        code: ``stop`` at any other error, or ``fail`` the units that caused it.
    """

    out_of_memory: Literal["shrink", "stop"] = "shrink"
    diverged: Literal["prune", "stop"] = "prune"
    killed: Literal["resume", "fail"] = "resume"
    data: Literal["stop", "fail"] = "stop"
    code: Literal["stop", "fail"] = "stop"

    def stops_at(self, kind: ErrorClass) -> bool:
        """Return whether an error of this class ends the study for now."""
        return getattr(self, kind) == "stop"
