"""How a step of a pack is computed: which meta-gradient engine, how many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.memory import Relief, footprint, free_memory
from mpt.engine.pack import CellJob
from mpt.errors import ConfigError, UnknownName
from mpt.gym.episodes import training_rows
from mpt.methods import Method, method
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
"""Ways to compute a method's gradient. All are exact, so that none is part of a digest."""


_ORDERS: Mapping[int, str] = MappingProxyType({1: "first order", 2: "second order"})


@dataclass(frozen=True, slots=True)
class StepPlan:
    """How the steps of a pack are computed, and why.

    Attributes:
        engine: one of the method's, or ``first order`` or ``second order`` where it has no choice.
        rows: of a micro-batch.
        why: for people and records.
        attention: the kernels of the backbone, ``Backbone.attention``.
    """

    engine: str
    rows: int
    why: str
    attention: str

    def eased(self, relief: Relief, kind: Method | None = None) -> StepPlan:
        """The plan as it is now: memory may have run out since it was made."""
        if relief.rows >= self.rows:
            return self
        engine = when_short(self.engine, kind) if kind else self.engine
        why = f"{self.why}; that was too much, so {relief.rows} at a time"
        return replace(self, engine=engine, rows=relief.rows, why=why)


def known_engine(name: str, methods: Iterable[str]) -> str:
    """The name of a meta-gradient engine that one of the methods has.

    Raises:
        UnknownName: no such engine, with the nearest one.
        ConfigError: none of the methods has it.
    """
    if name not in META_ENGINES:
        raise UnknownName("meta engine", name, META_ENGINES)
    engines = {one: ("auto", *method(one).engines) for one in methods}
    if not any(name in known for known in engines.values()):
        has = "; ".join(f"{one} has {', '.join(known)}" for one, known in engines.items())
        raise ConfigError(f"no method here has the meta engine {name!r}: {has}; give one of these")
    return name


def when_short(engine: str, kind: Method) -> str:
    """The engine once memory was short: the graph of all inner steps is not tried again."""
    return "recursion" if engine == "graph" and "recursion" in kind.engines else engine


def plan_step(
    backbone: Backbone,
    theta: Prompts,
    batches: Sequence[Batch],
    *,
    asked: str = "auto",
    kind: Method | None = None,
) -> StepPlan:
    """Plan a step from a short probe of its first one.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``, prompts of the pack, one per episode.
        batches: every inner batch and the query of one step; the graph holds them all at once.
        asked: ``auto``, or one of the method's engines.
        kind: the method; None for plain training.

    Raises:
        UnknownName: the method does not have that engine.
    """
    engines, order = (kind.engines, kind.order) if kind else ({}, 1)
    if asked not in ("auto", *engines):
        raise UnknownName("engine of this method", asked, ("auto", *engines))
    rows = max(len(batch) for batch in batches)
    widest = max(batches, key=lambda batch: batch.widest * len(batch))
    budget = free_memory(backbone.device)
    need = footprint(backbone, theta, widest, twice=order == 2)
    kept = sum(need.of(len(batch)) for batch in batches)
    has = f"of {_size(budget)}"
    engine = ("graph" if "graph" in engines else _ORDERS[order]) if asked == "auto" else asked
    if asked == "auto" and kept > budget and kind:
        engine = when_short(engine, kind)
    if engine in ("graph", "higher"):
        return StepPlan(engine, rows, f"{_size(kept)} {has}", backbone.attention)
    fit = min(rows, need.rows(budget))
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


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
