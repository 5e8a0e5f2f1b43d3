"""One step of a pack: episodes or training rows in, a direction for every run out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.buckets import PASS_COSTS, buckets
from mpt.engine.memory import Relief
from mpt.engine.pack import CellJob, MetaJob
from mpt.engine.plan import StepPlan, plan_step, when_short
from mpt.engine.train import TrainState
from mpt.gym.episodes import training_rows
from mpt.gym.tokens import Row
from mpt.methods import method
from mpt.methods.inner import MetaGradient, slope
from mpt.notation import Prompts


@dataclass
class MetaStep:
    """The step of meta-trainings of one shape (``mpt.engine.pack.run_shape``).

    The E episodes of each run's meta-batch lie on the same axis as the runs: the method sees
    ``[R * E, P, H]``, and each run's direction is the mean over its episodes, or their sum where
    its ``habits`` say so.

    Attributes:
        engine: how the gradient is asked for: ``auto``, or an engine of the method.
        plan: how steps are computed; if not given, made from a probe of the first one.
    """

    jobs: Sequence[MetaJob]
    backbone: Backbone
    engine: str = "auto"
    plan: StepPlan | None = None

    def __call__(self, state: TrainState) -> MetaGradient:
        """Directions and losses of the next step of every run."""
        size = self.jobs[0].config.outer.episodes
        episodes = [
            self.jobs[lane].episodes[position * size + slot]
            for lane, position in zip(state.lanes, state.position, strict=True)
            for slot in range(size)
        ]
        inner = len(episodes[0].support)
        support = [collate([e.support[j] for e in episodes]) for j in range(inner)]
        query = collate([e.query for e in episodes]) if episodes[0].query else None
        rates = [self.jobs[lane].config.inner.lr for lane in state.lanes]
        alpha = state.theta.new_tensor(rates)[:, None, None].repeat_interleave(size, 0)
        phi = state.theta.repeat_interleave(size, 0)
        found = self._gradient(phi, support, query, alpha)
        runs, habits = len(state.lanes), self.jobs[0].config.habits
        directions = found.direction.unflatten(0, (runs, size))
        added = habits is not None and habits.meta_batch == "sum"
        return MetaGradient(
            directions.sum(1) if added else directions.mean(1),
            found.losses.unflatten(0, (runs, size)).mean(1),
        )

    def _gradient(
        self, phi: Prompts, support: Sequence[Batch], query: Batch | None, alpha: Prompts
    ) -> MetaGradient:
        kind, backbone = method(self.jobs[0].config.method), self.backbone
        if self.plan is None:
            batches = [batch.to(backbone.device) for batch in (*support, query) if batch]
            self.plan = plan_step(backbone, phi, batches, asked=self.engine, kind=kind)
        plan, relief = self.plan, Relief(self.plan.rows, len(self.jobs), backbone.device)
        loss = backbone.curved if kind.order == 2 else backbone.losses

        def gradient(rows: int) -> MetaGradient:
            engine = when_short(plan.engine, kind) if relief.halvings else plan.engine
            cut = partial(pieces_of, rows=rows, backbone=backbone)
            return kind.by(engine)(
                phi, [cut(b) for b in support], query and cut(query), loss, alpha
            )

        found = relief.run(gradient)
        self.plan = plan.eased(relief, kind)
        return found


@dataclass
class TuningStep:
    """The step of downstream cells: dL(theta; B) / dtheta on each cell's next training rows."""

    jobs: Sequence[CellJob]
    backbone: Backbone
    plan: StepPlan | None = None

    def __call__(self, state: TrainState) -> MetaGradient:
        """Directions and losses of the next step of every cell."""
        size, backbone = self.jobs[0].config.tuning.batch, self.backbone
        rows_of_run: list[list[Row]] = [
            training_rows(self.jobs[lane].split.train, size, position, *self.jobs[lane].stream)
            for lane, position in zip(state.lanes, state.position, strict=True)
        ]
        batch = collate(rows_of_run)
        theta = state.theta.detach().requires_grad_()
        if self.plan is None:
            self.plan = plan_step(backbone, theta, [batch.to(backbone.device)])
        relief = Relief(self.plan.rows, len(self.jobs), backbone.device)
        found = relief.run(
            lambda rows: slope(theta, pieces_of(batch, rows, backbone), backbone.losses)
        )
        self.plan = self.plan.eased(relief)
        return found


def pieces_of(batch: Batch, rows: int, backbone: Backbone) -> tuple[Batch, ...]:
    """The batch on the backbone's device: length buckets of at most ``rows`` rows each."""
    place = backbone.device
    found = buckets(batch, PASS_COSTS[place.type], whole_runs=backbone.shares_prompt)
    if len(found) == 1 and rows >= len(batch):
        return (batch.to(place),)
    return tuple(piece.to(place) for bucket in found for piece in batch.rows(bucket).pieces(rows))
