"""How a step of a pack is computed: which meta-gradient engine, how many rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.memory import Relief, footprint, free_memory
from mpt.engine.pack import CellJob
from mpt.errors import UnknownName
from mpt.gym.episodes import training_rows
from mpt.methods.inner import MetaGradient
from mpt.methods.maml import maml, maml_by_recursion
from mpt.notation import Prompts

MetaEngine = Literal["auto", "graph", "recursion", "higher"]
META_ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "auto": "the graph where it fits into memory, else the recursion",
        "graph": "keep the graph of all inner steps: fastest",
        "recursion": "recompute step by step: memory flat in the number of inner steps",
        "higher": "unroll by the library higher: the reference",
    }
)
"""Ways to compute MAML's gradient. All are exact, so that none is part of a digest."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """How the steps of a pack are computed, and why.

    Attributes:
        engine: ``graph``, ``recursion`` or ``higher`` for MAML, ``first order`` for the others.
        rows: of a micro-batch.
        why: for people and records.
        attention: the kernels of the backbone, ``Backbone.attention``.
    """

    engine: str
    rows: int
    why: str
    attention: str

    def eased(self, relief: Relief) -> StepPlan:
        """The plan as it is now: memory may have run out since it was made."""
        if relief.rows >= self.rows:
            return self
        engine = "recursion" if self.engine == "graph" else self.engine
        why = f"{self.why}; that was too much, so {relief.rows} at a time"
        return replace(self, engine=engine, rows=relief.rows, why=why)


def known_engine(name: str) -> str:
    """The name of a meta-gradient engine. Raises ``UnknownName`` with the nearest one."""
    if name not in META_ENGINES:
        raise UnknownName("meta engine", name, META_ENGINES)
    return name


def plan_step(
    backbone: Backbone,
    theta: Prompts,
    batches: Sequence[Batch],
    *,
    asked: str = "auto",
    order: int = 1,
) -> StepPlan:
    """Plan a step from a short probe of its first one.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``, prompts of the pack, one per episode.
        batches: every inner batch and the query of one step; the graph holds them all at once.
        asked: a key of ``META_ENGINES``.
        order: how often the method differentiates.
    """
    rows = max(len(batch) for batch in batches)
    widest = max(batches, key=lambda batch: batch.widest * len(batch))
    budget = free_memory(backbone.device)
    need = footprint(backbone, theta, widest, twice=order == 2)
    kept = sum(need.of(len(batch)) for batch in batches)
    has = f"of {_size(budget)}"
    if order == 2 and (asked in ("graph", "higher") or (asked == "auto" and kept <= budget)):
        engine = "graph" if asked == "auto" else asked
        return StepPlan(engine, rows, f"{_size(kept)} {has}", backbone.attention)
    fit = min(rows, need.rows(budget))
    engine = "recursion" if order == 2 else "first order"
    why = f"{_size(need.of(fit))} {has} at {fit} of {rows} rows"
    return StepPlan(engine, fit, why, backbone.attention)


MOST_CELLS: Mapping[str, int] = MappingProxyType({"cpu": 16, "cuda": 128})
"""Cells in one pass at most: beyond it a pass is no faster, and a stop costs more of them."""


def cells_that_fit(job: CellJob, backbone: Backbone) -> int:
    """How many cells like this one, the longest, a pass has room for, by a probe of its first step.

    Raises:
        OutOfMemory: not even one row fits.
    """
    size, place = job.config.tuning.batch, backbone.device
    rows = training_rows(job.split.train, size, 0, *job.stream)
    need = footprint(backbone, job.start[None], collate([rows]).to(place), twice=False)
    return max(1, min(MOST_CELLS[place.type], int(free_memory(place) / need.of(size))))


def maml_of(engine: str) -> Callable[..., MetaGradient]:
    """The function of a planned engine."""
    if engine == "higher":
        from mpt.methods.by_higher import maml_by_higher

        return maml_by_higher
    return maml if engine == "graph" else maml_by_recursion


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
