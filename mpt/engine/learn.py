"""Meta-train a pack of runs from their initial prompts to their learned ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.engine import train
from mpt.engine.checkpoint import Checkpoints, Saved, plan_of, resume
from mpt.engine.optim import OPTIMISERS
from mpt.engine.pack import MetaJob
from mpt.engine.plan import StepPlan
from mpt.engine.step import MetaStep
from mpt.errors import Diverged
from mpt.methods import AUTO, method
from mpt.notation import Losses

OnLosses = Callable[[str, Sequence[float]], None]
"""Called with a run's digest and the loss (nats) of every update that it has taken."""


@dataclass(frozen=True, slots=True)
class MetaTrained:
    """A learned initial prompt ``[P, H]``.

    Attributes:
        curve: the loss (nats) of every step that led to it.
        plan: how its steps were computed; None where a checkpoint held them all.
        learned: least, mean and greatest number of what its method learned beside the prompt.
    """

    prompt: Tensor
    curve: tuple[float, ...]
    plan: StepPlan | None
    learned: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, dict[str, float]])


def learn(
    jobs: Sequence[MetaJob],
    backbone: Backbone,
    *,
    checkpoints: Checkpoints,
    engine: str = AUTO,
    pauses: Sequence[int] | None = None,
    on_step: Callable[[int], None] = lambda rows: None,
    on_losses: OnLosses | None = None,
) -> list[MetaTrained | Diverged]:
    """Run meta-trainings of one shape together, each from its checkpoint if it has one.

    Args:
        jobs: runs of one shape (``mpt.engine.pack.run_shape``).
        backbone: the frozen language model.
        checkpoints: where runs are saved while they train; the caller drops them when recorded.
        engine: how the gradient is computed: ``auto``, or an engine of the method.
        pauses: per run the updates after which it stops, saved so that it resumes from there bit
            for bit when it is learned again; default: its end.
        on_step: called with the number of runs that took a step, after a checkpoint that was due
            is written; what it raises ends the pack there.
        on_losses: called after every step with each run's losses so far.
    """
    whole = [job.config.outer.steps for job in jobs]
    stops = [min(both) for both in zip(whole, pauses or whole, strict=True)]
    runs = [_run(job, stop) for job, stop in zip(jobs, stops, strict=True)]
    optimiser = OPTIMISERS[jobs[0].config.outer.optimiser]
    fresh = train.start(runs, optimiser)
    saved = [_saved(checkpoints, run, fresh, row) for row, run in enumerate(runs)]
    curves = [list(one.curve) if one else [] for one in saved]
    names = [run.name for run in runs]
    latest = state = resume(fresh, saved)
    on_step(sum(state.position))

    def watch(state: train.TrainState, losses: Losses) -> None:
        nonlocal latest
        for run, loss in zip(state.runs, losses.cpu().unbind(), strict=True):
            curves[run].append(float(loss))
        latest = state
        # one that ends here must not begin anew beside neighbours that have trained further
        ending = any(runs[i].steps == n for i, n in zip(state.runs, state.position, strict=True))
        if checkpoints.due() or ending:
            checkpoints.write(names, state, curves, step.plan)
        if on_losses is not None:
            for run in state.runs:
                on_losses(names[run], curves[run])
        on_step(len(state.runs))

    step = MetaStep(jobs, backbone, engine, plan_of(saved, engine, backbone.attention))
    try:
        ends = train.train(runs, state, step, optimiser=optimiser, watch=watch)
    except KeyboardInterrupt:
        # stopped at once, in the middle of a step: the last whole one is kept
        checkpoints.write(names, latest, curves, step.plan)
        raise
    return [
        end
        if isinstance(end, Diverged)
        else MetaTrained(end.prompt.cpu(), tuple(curve), step.plan, _summary(end.learned))
        for end, curve in zip(ends, curves, strict=True)
    ]


def _run(job: MetaJob, steps: int) -> train.Run:
    config = job.config
    beside = method(config.method).begin(job.start[None])
    learned = {name: tensor[0] for name, tensor in beside.items()}
    return train.Run(config.digest, job.start, config.outer.lr, steps, learned)


def _saved(
    checkpoints: Checkpoints, run: train.Run, fresh: train.TrainState, row: int
) -> Saved | None:
    """The run's checkpoint, unless it lies behind the point where the run is to stop."""
    saved = checkpoints.read(run.name, fresh, row)
    return saved if saved and saved.position <= run.steps else None


def _summary(learned: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    return {
        name: {"min": float(one.min()), "mean": float(one.mean()), "max": float(one.max())}
        for name, one in learned.items()
    }
