"""Downstream: a pack of few-shot cells tuned, chosen on dev and tested once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.engine import train
from mpt.engine.evaluate import evaluate
from mpt.engine.optim import OPTIMISERS
from mpt.engine.pack import CellJob
from mpt.engine.plan import StepPlan
from mpt.engine.step import TuningStep
from mpt.errors import Diverged
from mpt.notation import Losses


@dataclass(frozen=True, slots=True)
class Tuned:
    """One finished cell.

    Attributes:
        prompt: ``[P, H]``, the one with the best dev score (the first, on ties).
        dev: its dev score; test: its test score.
        best_step: updates taken when it was found.
        looks: (step, dev score) of every look.
        curve: training loss (nats) of every step.
        plan: how its steps were computed.
    """

    prompt: Tensor
    dev: float
    test: float
    best_step: int
    looks: tuple[tuple[int, float], ...]
    curve: tuple[float, ...]
    plan: StepPlan | None


@dataclass
class _Best:
    """What a cell has shown so far."""

    prompt: Tensor
    looks: list[tuple[int, float]]
    curve: list[float]
    dev: float = -float("inf")
    step: int = 0

    def look(self, step: int, dev: float, prompt: Tensor) -> None:
        self.looks.append((step, dev))
        if dev > self.dev:
            self.dev, self.step, self.prompt = dev, step, prompt.clone()


def tune(
    jobs: Sequence[CellJob],
    backbone: Backbone,
    *,
    on_step: Callable[[int], None] = lambda rows: None,
) -> list[Tuned | Diverged]:
    """Tune cells of one shape together, keep each one's best-dev prompt, test that prompt.

    A diverged cell keeps nothing: its score would be that of an accident.
    """
    tuning, limit = jobs[0].config.tuning, jobs[0].config.backbone.max_target
    lanes = [train.Lane(job.config.digest, job.start, job.config.lr, tuning.steps) for job in jobs]
    optimiser = OPTIMISERS[tuning.optimiser]
    best = [_Best(job.start, [], []) for job in jobs]
    look_at = looks(tuning.steps, tuning.num_evals)

    def watch(state: train.TrainState, losses: Losses) -> None:
        for lane, loss in zip(state.lanes, losses.tolist(), strict=True):
            best[lane].curve.append(loss)
        on_step(len(state.lanes))
        if state.position[0] in look_at:
            dev = [jobs[lane].split.questions("dev") for lane in state.lanes]
            found = evaluate(backbone, state.theta, dev, limit=limit, beams=tuning.num_beams)
            for row, lane in enumerate(state.lanes):
                best[lane].look(state.position[row], found[row], state.theta[row])

    state = train.start(lanes, optimiser)
    step = TuningStep(jobs, backbone)
    ends = train.train(lanes, state, step, optimiser=optimiser, watch=watch)
    alive = [lane for lane, end in enumerate(ends) if not isinstance(end, Diverged)]
    tests = _tested(
        [best[lane] for lane in alive], [jobs[lane] for lane in alive], backbone, step.plan
    )
    found = dict(zip(alive, tests, strict=True))
    return [end if isinstance(end, Diverged) else found[lane] for lane, end in enumerate(ends)]


def looks(steps: int, count: int) -> frozenset[int]:
    """After which updates dev is looked at: ``count`` times, evenly spaced, at the end too."""
    return frozenset(max(1, round(steps * (i + 1) / count)) for i in range(count))


def _tested(
    best: Sequence[_Best], jobs: Sequence[CellJob], backbone: Backbone, plan: StepPlan | None
) -> list[Tuned]:
    if not jobs:
        return []
    theta = torch.stack([b.prompt for b in best])
    limit, beams = jobs[0].config.backbone.max_target, jobs[0].config.tuning.num_beams
    questions = [job.split.questions("test") for job in jobs]
    scores = evaluate(backbone, theta, questions, limit=limit, beams=beams)
    return [
        Tuned(b.prompt.cpu(), b.dev, test, b.step, tuple(b.looks), tuple(b.curve), plan)
        for b, test in zip(best, scores, strict=True)
    ]
