"""Compute one step of a pack: episodes or training rows in, a direction for every run out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.buckets import cut
from mpt.engine.graphs import GraphedLosses, graphed
from mpt.engine.memory import BackOff
from mpt.engine.pack import CellJob, MetaJob
from mpt.engine.plan import StepPlan, plan_step, when_short
from mpt.engine.train import TrainState
from mpt.gym.episodes import training_rows
from mpt.gym.tokens import TokenRow
from mpt.methods import AUTO, method
from mpt.methods.inner import MetaGradient, slope
from mpt.notation import Prompts

Own = Mapping[str, Tensor | int]
"""What a method takes by name: its arguments, and what it learns beside the prompt."""


@dataclass
class MetaStep:
    """The step of meta-trainings of one shape (``mpt.engine.pack.run_shape``).

    The E episodes of each run's meta-batch lie on the same axis as the runs: the method sees
    ``[R * E, P, H]``, and each run's direction is the mean over its episodes, or their sum where
    its ``habits`` say so.

    Attributes:
        engine: how the gradient is computed: ``auto``, or an engine of the method.
        plan: how steps are computed; if not given, made from a probe of the first one.
    """

    jobs: Sequence[MetaJob]
    backbone: Backbone
    engine: str = AUTO
    plan: StepPlan | None = None
    _numbers: dict[tuple[float, ...], Tensor] = field(
        default_factory=dict[tuple[float, ...], Tensor]
    )
    _graphs: GraphedLosses | None = field(init=False)

    def __post_init__(self) -> None:
        is_first = method(self.jobs[0].config.method).order == 1
        self._graphs = graphed(self.backbone) if is_first else None

    def __call__(self, state: TrainState) -> MetaGradient:
        """Return directions and losses of the next step of every run."""
        size = self.jobs[0].config.outer.episodes
        episodes = [
            self.jobs[run].episodes[position * size + place]
            for run, position in zip(state.runs, state.position, strict=True)
            for place in range(size)
        ]
        inner = len(episodes[0].support)
        support = [collate([e.support[j] for e in episodes]) for j in range(inner)]
        query = collate([e.query for e in episodes]) if episodes[0].query else None
        alpha = self._per_run([self.jobs[run].config.inner.lr for run in state.runs], state)
        phi = state.theta.repeat_interleave(size, 0)
        result = self._gradient(phi, support, query, alpha, self._own(state))
        habits = self.jobs[0].config.habits
        added = habits is not None and habits.meta_batch == "sum"

        def of_runs(values: Tensor) -> Tensor:
            return values.reshape(len(state.runs), size, *values.shape[1:])

        def over_episodes(directions: Tensor) -> Tensor:
            each = of_runs(directions)
            return each.sum(1) if added else each.mean(1)

        return MetaGradient(
            over_episodes(result.direction),
            of_runs(result.losses).mean(1),
            {name: over_episodes(tensor) for name, tensor in result.learned.items()},
        )

    def _per_run(self, values: Sequence[float], state: TrainState) -> Tensor:
        """``[R * E, 1, 1]``: a number of each run, for each of its episodes; sent once."""
        size, key = self.jobs[0].config.outer.episodes, tuple(values)
        if key not in self._numbers:
            of_runs = state.theta.new_tensor(values)[:, None, None]
            self._numbers[key] = of_runs.repeat_interleave(size, 0)
        return self._numbers[key]

    def _own(self, state: TrainState) -> Own:
        """What the method takes by name; a whole number is the same for the whole pack."""
        size = self.jobs[0].config.outer.episodes
        configs = [self.jobs[run].config for run in state.runs]
        own: dict[str, Tensor | int] = {
            name: tensor.repeat_interleave(size, 0) for name, tensor in state.learned.items()
        }
        for name, value in (configs[0].method_args or {}).items():
            of_runs = [float((config.method_args or {})[name]) for config in configs]
            own[name] = value if isinstance(value, int) else self._per_run(of_runs, state)
        return own

    def _gradient(
        self,
        phi: Prompts,
        support: Sequence[Batch],
        query: Batch | None,
        alpha: Prompts,
        own: Own,
    ) -> MetaGradient:
        known, backbone = method(self.jobs[0].config.method), self.backbone
        if self.plan is None:
            batches = [batch for batch in (*support, query) if batch]
            self.plan = plan_step(backbone, phi, batches, engine=self.engine, known=known)
        plan, backoff = self.plan, BackOff(self.plan.rows, len(self.jobs), backbone.device)
        usual = backbone.losses_twice_differentiable if known.order == 2 else backbone.losses

        def gradient(rows: int) -> MetaGradient:
            loss = _replayed(self._graphs, backoff) or usual
            engine = when_short(plan.engine, known) if backoff.halvings else plan.engine
            in_pieces = partial(pieces_of, rows=rows, backbone=backbone)
            inner, outer = [in_pieces(batch) for batch in support], query and in_pieces(query)
            return known.by(engine)(phi, inner, outer, loss, alpha, **own)

        result = backoff.run(gradient)
        self.plan = plan.after(backoff, known).noting(self._graphs.note if self._graphs else "")
        return result


@dataclass
class TuningStep:
    """The step of downstream cells: dL(theta; B) / dtheta on each cell's next training rows."""

    jobs: Sequence[CellJob]
    backbone: Backbone
    plan: StepPlan | None = None
    _graphs: GraphedLosses | None = field(init=False)

    def __post_init__(self) -> None:
        self._graphs = graphed(self.backbone)

    def __call__(self, state: TrainState) -> MetaGradient:
        """Return directions and losses of the next step of every cell."""
        size, backbone = self.jobs[0].config.tuning.batch, self.backbone
        rows_of_run: list[list[TokenRow]] = []
        drawn: dict[tuple[int, str, int, int], list[TokenRow]] = {}
        for run, position in zip(state.runs, state.position, strict=True):
            job = self.jobs[run]
            # cells of one split that differ in their rates or starts read alike; a task under the
            # same seed with another number of shots is another split
            key = (id(job.split), *job.stream, position)
            if key not in drawn:
                drawn[key] = training_rows(job.split.train, size, position, *job.stream)
            rows_of_run.append(drawn[key])
        batch = collate(rows_of_run)
        theta = state.theta.detach().requires_grad_()
        if self.plan is None:
            self.plan = plan_step(backbone, theta, [batch])
        backoff = BackOff(self.plan.rows, len(self.jobs), backbone.device)

        def gradient(rows: int) -> MetaGradient:
            loss = _replayed(self._graphs, backoff) or backbone.losses
            return slope(theta, pieces_of(batch, rows, backbone), loss)

        result = backoff.run(gradient)
        self.plan = self.plan.after(backoff).noting(self._graphs.note if self._graphs else "")
        return result


def _replayed(graphs: GraphedLosses | None, backoff: BackOff) -> GraphedLosses | None:
    """The graphs, where there are any; they go where memory is short."""
    if graphs is not None and backoff.halvings and not graphs.is_off:
        graphs.stop("memory is short")
    return graphs


def pieces_of(batch: Batch, rows: int, backbone: Backbone) -> tuple[Batch, ...]:
    """Cut the batch into length buckets of at most ``rows`` rows, on the backbone's device."""
    device = backbone.device
    pieces = cut(batch, rows, device.type, whole_runs=backbone.shares_prompt)
    return tuple(piece.to(device) for piece in pieces)
