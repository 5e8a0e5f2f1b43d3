"""One step of a pack: episodes or training rows in, a direction for every run out."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.pack import CellJob, MetaJob
from mpt.engine.train import Gradient, TrainState
from mpt.gym.episodes import training_rows
from mpt.gym.tokens import Row
from mpt.methods import method
from mpt.methods.inner import MetaGradient, slope


def meta_gradient(jobs: Sequence[MetaJob], backbone: Backbone) -> Gradient:
    """The step of meta-trainings of one shape (``mpt.engine.pack.run_shape``).

    The E episodes of each run's meta-batch lie on the same axis as the runs: the method sees
    ``[R * E, P, H]``, and each run's direction is the mean over its episodes.
    """
    config = jobs[0].config
    kind, size = method(config.method), config.outer.episodes
    loss = backbone.curved if kind.order == 2 else backbone.losses

    def gradient(state: TrainState) -> MetaGradient:
        episodes = [
            jobs[lane].episodes[position * size + slot]
            for lane, position in zip(state.lanes, state.position, strict=True)
            for slot in range(size)
        ]
        inner = len(episodes[0].support)
        support = [_batch([e.support[j] for e in episodes], backbone) for j in range(inner)]
        query = _batch([e.query for e in episodes], backbone) if episodes[0].query else None
        rates = [jobs[lane].config.inner.lr for lane in state.lanes]
        alpha = state.theta.new_tensor(rates)[:, None, None].repeat_interleave(size, 0)
        phi = state.theta.repeat_interleave(size, 0)
        found = kind.gradient(phi, support, query, loss, alpha)
        runs = len(state.lanes)
        return MetaGradient(
            found.direction.unflatten(0, (runs, size)).mean(1),
            found.losses.unflatten(0, (runs, size)).mean(1),
        )

    return gradient


def tuning_gradient(jobs: Sequence[CellJob], backbone: Backbone) -> Gradient:
    """The step of downstream cells: dL(theta; B) / dtheta on each cell's next training rows."""
    size = jobs[0].config.tuning.batch

    def gradient(state: TrainState) -> MetaGradient:
        rows = [
            training_rows(jobs[lane].split.train, size, position, *jobs[lane].stream)
            for lane, position in zip(state.lanes, state.position, strict=True)
        ]
        theta = state.theta.detach().requires_grad_()
        return slope(theta, _batch(rows, backbone), backbone.losses)

    return gradient


def _batch(rows_of_run: Sequence[Sequence[Row]], backbone: Backbone) -> Batch:
    with torch.no_grad():
        return collate(rows_of_run).to(backbone.device)
