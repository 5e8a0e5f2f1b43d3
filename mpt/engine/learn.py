"""Meta-training: a pack of runs from their initial prompts to their learned ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.engine import train
from mpt.engine.checkpoint import Checkpoints, Saved, plan_of, resume
from mpt.engine.optim import OPTIMISERS
from mpt.engine.pack import MetaJob
from mpt.engine.plan import StepPlan
from mpt.engine.step import MetaStep
from mpt.errors import Diverged
from mpt.notation import Losses


@dataclass(frozen=True, slots=True)
class Learned:
    """A learned initial prompt ``[P, H]``.

    Attributes:
        curve: the loss (nats) of every step that led to it.
        plan: how its steps were computed; None where a checkpoint held them all.
    """

    prompt: Tensor
    curve: tuple[float, ...]
    plan: StepPlan | None


def learn(
    jobs: Sequence[MetaJob],
    backbone: Backbone,
    *,
    checkpoints: Checkpoints,
    engine: str = "auto",
    pauses: Sequence[int] | None = None,
    on_step: Callable[[int], None] = lambda rows: None,
) -> list[Learned | Diverged]:
    """Run meta-trainings of one shape together, each from its checkpoint if it has one.

    Args:
        jobs: runs of one shape (``mpt.engine.pack.run_shape``).
        backbone: the frozen language model.
        checkpoints: where runs are saved while they go on; the caller drops them when recorded.
        engine: how the gradient is computed: ``auto``, or an engine of the method.
        pauses: per run the updates after which it stops, saved so that it goes on from there bit
            for bit when it is learned again; default: its end.
        on_step: told how many lanes took a step, after a checkpoint that was due is written; what
            it raises ends the pack there.
    """
    whole = [job.config.outer.steps for job in jobs]
    stops = [min(both) for both in zip(whole, pauses or whole, strict=True)]
    lanes = [
        train.Lane(job.config.digest, job.start, job.config.outer.lr, stop)
        for job, stop in zip(jobs, stops, strict=True)
    ]
    optimiser = OPTIMISERS[jobs[0].config.outer.optimiser]
    fresh = train.start(lanes, optimiser)
    saved = [_saved_by(checkpoints, lane, fresh, row) for row, lane in enumerate(lanes)]
    curves = [list(found.curve) if found else [] for found in saved]
    names = [lane.name for lane in lanes]
    latest = state = resume(fresh, saved)
    on_step(sum(state.position))

    def watch(state: train.TrainState, losses: Losses) -> None:
        nonlocal latest
        for lane, loss in zip(state.lanes, losses.tolist(), strict=True):
            curves[lane].append(loss)
        latest = state
        # one that ends here must not begin anew beside neighbours that have gone on
        ending = any(lanes[i].steps == n for i, n in zip(state.lanes, state.position, strict=True))
        if checkpoints.due() or ending:
            checkpoints.write(names, state, curves, step.plan)
        on_step(len(state.lanes))

    step = MetaStep(jobs, backbone, engine, plan_of(saved, engine, backbone.attention))
    try:
        ends = train.train(lanes, state, step, optimiser=optimiser, watch=watch)
    except KeyboardInterrupt:
        # stopped at once, in the middle of a step: the last whole one is kept
        checkpoints.write(names, latest, curves, step.plan)
        raise
    return [
        end if isinstance(end, Diverged) else Learned(end.cpu(), tuple(curves[lane]), step.plan)
        for lane, end in enumerate(ends)
    ]


def _saved_by(
    checkpoints: Checkpoints, lane: train.Lane, fresh: train.TrainState, row: int
) -> Saved | None:
    """The lane's checkpoint, unless it lies behind the point where the lane is to stop."""
    found = checkpoints.read(lane.name, fresh, row)
    return found if found and found.position <= lane.steps else None
