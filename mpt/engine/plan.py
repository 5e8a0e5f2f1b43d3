"""Plan how a step of a pack is computed: which meta-gradient engine, how many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone, TrainableCopy
from mpt.engine.buckets import cut
from mpt.engine.footprint import Line, footprint
from mpt.engine.memory import BackOff, free_memory
from mpt.engine.pack import CellJob, MetaJob
from mpt.errors import ConfigError, OutOfMemory, UnknownName
from mpt.gym.episodes import training_rows
from mpt.gym.tokens import TokenRow
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

    def noting(self, remark: str) -> StepPlan:
        """Return the plan with a remark on how its steps are computed; one is made once."""
        if not remark or remark in self.why:
            return self
        return replace(self, why=f"{self.why}; {remark}")


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
    budget = free_memory(backbone.device)
    chosen = next(iter(engines), _ORDERS[order]) if engine == AUTO else engine
    if known and chosen in engines and engines[chosen].keeps_graph:
        kept = _graph(backbone, theta, batches).of(1)
        if engine != AUTO or kept <= budget:
            return StepPlan(chosen, rows, f"{_size(kept)} of {_size(budget)}", backbone.attention)
        chosen = when_short(chosen, known)
    need = _largest(backbone, theta, batches, order)
    fit = min(rows, need.rows(budget))
    why = f"{_size(need.of(fit))} of {_size(budget)} at {fit} of {rows} rows"
    return StepPlan(chosen, fit, why, backbone.attention)


def plan_fine_tuning(model: TrainableCopy, theta: Prompts, batch: Batch) -> StepPlan:
    """Plan a step of full fine-tuning, and whether layers are recomputed in its backward pass.

    On a GPU they are where its memory is too small for the whole batch otherwise. On a CPU they
    always are: others need its memory too.

    Raises:
        OutOfMemory: not even one row fits.
    """
    on_gpu, budget = model.device.type == "cuda", free_memory(model.device)
    weights = tuple(model.trainable_weights.values()) if on_gpu else ()
    largest = max(_cut(model, batch), key=_places)

    def need(*, recomputed: bool) -> Line:
        model.recomputation.on = recomputed
        return footprint(model, theta, largest, twice=False, weights=weights).peak

    line = None
    if on_gpu:
        with suppress(OutOfMemory):
            line = need(recomputed=False)
    if line is None or line.of(len(batch)) > budget:
        line = need(recomputed=True)
    fit = min(len(batch), line.rows(budget))
    why = f"{_size(line.of(fit))} of {_size(budget)} at {fit} of {len(batch)} rows"
    why += "" if model.recomputation.on else ", no layer computed twice"
    return StepPlan(_ORDERS[1], fit, why, model.attention)


def _largest(backbone: Backbone, theta: Prompts, batches: Sequence[Batch], order: int) -> Line:
    """Bytes of the gradient of the piece that takes most of them, by its rows."""
    largest = max((piece for batch in batches for piece in _cut(backbone, batch)), key=_places)
    return footprint(backbone, theta, largest, twice=order == 2).peak


def _graph(backbone: Backbone, theta: Prompts, batches: Sequence[Batch]) -> Line:
    """Bytes of a step whose graph of all inner gradients is kept, by how often it has its rows.

    The graphs of all inner batches wait while the query's gradient is computed, piece by piece;
    then they are differentiated, the last one first.
    """
    *support, query = batches
    probe = partial(footprint, backbone, theta, twice=True)
    inner = [(probe(piece), len(piece)) for one in support for piece in _cut(backbone, one)]
    outer = max(_cut(backbone, query), key=_places)
    of_query = probe(outer, through=False).peak

    def held(times: float) -> float:
        kept = sum(one.kept.of(rows * times) for one, rows in inner)
        beyond = [one.peak.of(rows * times) - one.kept.of(rows * times) for one, rows in inner]
        return kept + max(of_query.of(len(outer) * times), *beyond, 0.0)

    return Line(held(0), held(1) - held(0))


def _cut(backbone: Backbone, batch: Batch) -> tuple[Batch, ...]:
    return cut(batch, len(batch), backbone.device.type, whole_runs=backbone.shares_prompt)


def _places(piece: Batch) -> int:
    return len(piece) * (piece.input.shape[1] + piece.target.shape[1])


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
    episodes = [job.episodes[place] for place in range(outer.episodes)] * 2
    inner = range(len(episodes[0].support))
    batches = [_padded([episode.support[j] for episode in episodes]) for j in inner]
    if episodes[0].query:
        batches.append(_padded([episode.query for episode in episodes]))
    device, theta = backbone.device, job.start.expand(len(episodes), *job.start.shape)
    chosen = plan_step(backbone, theta, batches, engine=engine, known=known).engine
    if chosen in known.engines and known.engines[chosen].keeps_graph:
        step = _graph(backbone, theta, batches)
        of_run = Line(step.fixed, step.row / 2)
    else:
        step = _largest(backbone, theta, batches, known.order)
        of_run = Line(step.fixed, step.row * max(len(batch) for batch in batches) / 2)
    return min(MOST_RUNS[device.type], of_run.rows(free_memory(device)))


def cells_that_fit(job: CellJob, backbone: Backbone) -> int:
    """Count the cells like this one, the longest, that fit into a pass, by a probe of its step.

    Raises:
        OutOfMemory: not even one row fits.
    """
    size, device = job.config.tuning.batch, backbone.device
    rows = training_rows(job.split.train, size, 0, *job.stream)
    theta, batch = job.start.expand(2, *job.start.shape), _padded([rows, rows])
    need = footprint(backbone, theta, batch, twice=False).peak
    of_cell = Line(need.fixed, need.row * size)
    return min(MOST_CELLS[device.type], of_cell.rows(free_memory(device)))


def _padded(rows_of_run: Sequence[Sequence[TokenRow]]) -> Batch:
    """A batch like those of a pack, some of whose rows are shorter than others."""
    return replace(collate(rows_of_run), is_padded=True)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
