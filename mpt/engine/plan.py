"""Plan how a step of a pack is computed: which meta-gradient engine, how many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.memory import BackOff, footprint, free_memory
from mpt.engine.pack import CellJob, MetaJob
from mpt.errors import ConfigError, UnknownName
from mpt.gym.episodes import training_rows
from mpt.methods import AUTO, Engine, Method, engine_names, method
from mpt.notation import Prompts

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

    def after(self, backoff: BackOff, known: Method | None = None) -> StepPlan:
        """Return the plan with the smaller batches that a step had to back off to, if any."""
        if backoff.rows >= self.rows:
            return self
        engine = when_short(self.engine, known) if known else self.engine
        why = f"{self.why}; that was too much, so {backoff.rows} at a time"
        return replace(self, engine=engine, rows=backoff.rows, why=why)


def known_engine(name: str, methods: Iterable[str]) -> str:
    """Return the name of a meta-gradient engine that one of the methods has.

    Raises:
        UnknownName: no such engine, with the nearest one.
        ConfigError: none of the methods has it.
    """
    if name not in engine_names():
        raise UnknownName("meta engine", name, engine_names())
    engines = {one: (AUTO, *method(one).engines) for one in methods}
    if not any(name in known for known in engines.values()):
        has = "; ".join(f"{one} has {', '.join(known)}" for one, known in engines.items())
        raise ConfigError(
            f"no method here has the meta engine {name!r}: {has}",
            fix="give one of these",
        )
    return name


def when_short(engine: str, known: Method) -> str:
    """Return the engine to use once memory was short: a graph of all steps is not tried again."""
    return known.engines[engine].fallback or engine if engine in known.engines else engine


def plan_step(
    backbone: Backbone,
    theta: Prompts,
    batches: Sequence[Batch],
    *,
    engine: str = AUTO,
    known: Method | None = None,
) -> StepPlan:
    """Plan a step from a short probe of its first one.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``, prompts of the pack, one per episode.
        batches: every inner batch and the query of one step, on the CPU; a graph may hold them
            all at once.
        engine: ``auto``, or one of the method's.
        known: the method; None for plain training.

    Raises:
        UnknownName: the method does not have that engine.
    """
    engines: Mapping[str, Engine] = known.engines if known else {}
    order = known.order if known else 1
    if engine not in (AUTO, *engines):
        raise UnknownName("engine of this method", engine, (AUTO, *engines))
    rows = max(len(batch) for batch in batches)
    widest = max(batches, key=lambda batch: batch.widest * len(batch))
    budget = free_memory(backbone.device)
    need = footprint(backbone, theta, widest, twice=order == 2)
    kept = sum(need.of(len(batch)) for batch in batches)
    chosen = next(iter(engines), _ORDERS[order]) if engine == AUTO else engine
    if engine == AUTO and kept > budget and known:
        chosen = when_short(chosen, known)
    if chosen in engines and engines[chosen].keeps_graph:
        return StepPlan(chosen, rows, f"{_size(kept)} of {_size(budget)}", backbone.attention)
    fit = min(rows, need.rows(budget))
    why = f"{_size(need.of(fit))} of {_size(budget)} at {fit} of {rows} rows"
    return StepPlan(chosen, fit, why, backbone.attention)


MOST_CELLS: Mapping[str, int] = MappingProxyType({"cpu": 16, "cuda": 128})
"""Cells in one pass at most: beyond it a pass is no faster, and a stop costs more of them."""


MOST_RUNS: Mapping[str, int] = MappingProxyType({"cpu": 4, "cuda": 64})
"""Meta-trainings in one pass at most, for the same reasons."""


def runs_that_fit(job: MetaJob, backbone: Backbone, engine: str = AUTO) -> int:
    """Count the meta-trainings like this one whose steps fit into a pass, by a probe of its first.

    Raises:
        OutOfMemory: not even one row fits.
    """
    known, outer = method(job.config.method), job.config.outer
    episodes = [job.episodes[place] for place in range(outer.episodes)]
    inner = range(len(episodes[0].support))
    batches = [collate([episode.support[j] for episode in episodes]) for j in inner]
    if episodes[0].query:
        batches.append(collate([episode.query for episode in episodes]))
    theta = job.start.expand(outer.episodes, *job.start.shape)
    chosen = plan_step(backbone, theta, batches, engine=engine, known=known).engine
    widest = max(batches, key=lambda batch: batch.widest * len(batch))
    need = footprint(backbone, theta, widest, twice=known.order == 2)
    sizes = [need.of(len(batch)) for batch in batches]
    is_graph = chosen in known.engines and known.engines[chosen].keeps_graph
    step = sum(sizes) if is_graph else max(sizes)
    device = backbone.device
    return max(1, min(MOST_RUNS[device.type], int(free_memory(device) / step)))


def cells_that_fit(job: CellJob, backbone: Backbone) -> int:
    """Count the cells like this one, the longest, that fit into a pass, by a probe of its step.

    Raises:
        OutOfMemory: not even one row fits.
    """
    size, device = job.config.tuning.batch, backbone.device
    rows = training_rows(job.split.train, size, 0, *job.stream)
    need = footprint(backbone, job.start[None], collate([rows]), twice=False)
    return max(1, min(MOST_CELLS[device.type], int(free_memory(device) / need.of(size))))


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
