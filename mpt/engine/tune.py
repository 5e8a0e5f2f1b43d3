"""Tune a pack of few-shot downstream cells, choose each prompt on dev, test it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.config import Scoring
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
        evals: (step, dev score) of every evaluation on dev.
        curve: training loss (nats) of every step.
        plan: how its steps were computed.
        scoring: how dev and test were answered.
    """

    prompt: Tensor
    dev: float
    test: float
    best_step: int
    evals: tuple[tuple[int, float], ...]
    curve: tuple[float, ...]
    plan: StepPlan | None
    scoring: Scoring


@dataclass
class _BestPrompt:
    """The best prompt of a cell so far, and its scores and losses."""

    prompt: Tensor
    evals: list[tuple[int, float]]
    curve: list[float]
    dev: float = -float("inf")
    step: int = 0

    def note(self, step: int, dev: float, prompt: Tensor) -> None:
        self.evals.append((step, dev))
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
    runs = [train.Run(job.config.digest, job.start, job.config.lr, tuning.steps) for job in jobs]
    optimiser = OPTIMISERS[tuning.optimiser]
    best = [_BestPrompt(job.start, [], []) for job in jobs]
    at = eval_steps(tuning.steps, tuning.num_evals)

    def watch(state: train.TrainState, losses: Losses) -> None:
        for run, loss in zip(state.runs, losses.cpu().unbind(), strict=True):
            best[run].curve.append(float(loss))
        on_step(len(state.runs))
        if state.position[0] in at:
            dev = [
                jobs[run].split.questions("dev", tuning.dev_rows, tuning.scoring)
                for run in state.runs
            ]
            scores = evaluate(backbone, state.theta, dev, limit=limit, beams=tuning.num_beams)
            for row, run in enumerate(state.runs):
                best[run].note(state.position[row], scores[row], state.theta[row])

    state = train.start(runs, optimiser)
    step = TuningStep(jobs, backbone)
    ends = train.train(runs, state, step, optimiser=optimiser, watch=watch)
    alive = [run for run, end in enumerate(ends) if not isinstance(end, Diverged)]
    tested = _tested(
        [best[run] for run in alive], [jobs[run] for run in alive], backbone, step.plan
    )
    tuned = dict(zip(alive, tested, strict=True))
    return [end if isinstance(end, Diverged) else tuned[run] for run, end in enumerate(ends)]


def eval_steps(steps: int, count: int) -> frozenset[int]:
    """Return the updates after which dev is scored: ``count``, evenly spaced, the last included."""
    return frozenset(max(1, round(steps * (i + 1) / count)) for i in range(count))


def _tested(
    best: Sequence[_BestPrompt], jobs: Sequence[CellJob], backbone: Backbone, plan: StepPlan | None
) -> list[Tuned]:
    if not jobs:
        return []
    theta = torch.stack([b.prompt for b in best])
    limit, tuning = jobs[0].config.backbone.max_target, jobs[0].config.tuning
    questions = [job.split.questions("test", tuning.test_rows, tuning.scoring) for job in jobs]
    scores = evaluate(backbone, theta, questions, limit=limit, beams=tuning.num_beams)
    return [
        Tuned(b.prompt.cpu(), b.dev, test, b.step, tuple(b.evals), tuple(b.curve), plan, q.scoring)
        for b, q, test in zip(best, questions, scores, strict=True)
    ]
