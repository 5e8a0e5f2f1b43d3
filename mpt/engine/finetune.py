"""Fine-tune the whole model on one target task: the second baseline."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mpt.backbone.batch import collate
from mpt.backbone.frozen import Backbone, TrainableCopy
from mpt.backbone.hub import adafactor
from mpt.config import Scoring
from mpt.engine.batched_adafactor import BatchedAdafactor
from mpt.engine.evaluate import evaluate
from mpt.engine.memory import BackOff, cause_of, is_out_of_memory
from mpt.engine.pack import FineTuneJob
from mpt.engine.plan import StepPlan, plan_fine_tuning
from mpt.engine.step import pieces_of
from mpt.engine.tune import eval_steps
from mpt.errors import Diverged, OutOfMemory
from mpt.gym.episodes import training_rows
from mpt.gym.splits import Part
from mpt.gym.tokens import Questions


@dataclass(frozen=True, slots=True)
class FineTuned:
    """One finished cell; the weights are not kept: they are gigabytes.

    Attributes:
        dev: best dev score (the first, on ties); test: the test score of that state.
        best_step: updates taken when it was found.
        evals: (step, dev score) of every evaluation on dev.
        curve: training loss (nats) of every step.
        plan: how its steps were computed.
        scoring: how dev and test were answered.
    """

    dev: float
    test: float
    best_step: int
    evals: tuple[tuple[int, float], ...]
    curve: tuple[float, ...]
    plan: StepPlan
    scoring: Scoring


def fine_tune(
    job: FineTuneJob,
    backbone: Backbone,
    *,
    on_step: Callable[[int], None] = lambda rows: None,
) -> FineTuned | Diverged:
    """Train a copy of the whole model, test the state with the best dev score, drop the copy.

    Raises:
        OutOfMemory: the copy does not fit, or not even one row at a time does.
    """
    device = backbone.device
    try:
        return _trained(job, backbone.trainable_copy(), on_step)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        cause = cause_of(error)
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    raise OutOfMemory(1, str(device), cause)


def _trained(
    job: FineTuneJob, model: TrainableCopy, on_step: Callable[[int], None]
) -> FineTuned | Diverged:
    config, tuning = job.config, job.config.tuning
    step = FineTuneStep(job, model)
    optimiser = _optimiser(model, config.lr)
    best = _BestWeights()
    curve: list[float] = []
    at = eval_steps(tuning.steps, tuning.num_evals)
    for position in range(1, tuning.steps + 1):
        curve.append(step(position - 1))
        if not torch.tensor(curve[-1]).isfinite():
            return Diverged(config.digest, position, "its loss")
        optimiser.step()
        on_step(1)
        if position in at:
            if not _is_finite(model):
                return Diverged(config.digest, position, "a weight")
            best.note(position, step.score("dev"), model, last=position == tuning.steps)
    best.restore(model)
    test = step.score("test")
    assert step.plan is not None
    evals, scoring = tuple(best.evals), step.questions("test").scoring
    return FineTuned(best.dev, test, best.step, evals, tuple(curve), step.plan, scoring)


def _optimiser(model: TrainableCopy, rate: float) -> BatchedAdafactor | torch.optim.Optimizer:
    """On a GPU the one of few kernels; on a CPU, where starting one is cheap, the usual one."""
    weights = model.trainable_weights
    if model.device.type == "cuda" and all(weight.ndim in (1, 2) for weight in weights.values()):
        return BatchedAdafactor(weights, rate)
    return adafactor(weights, rate)


def _is_finite(model: TrainableCopy) -> bool:
    """Whether every weight is; a GPU is waited for once."""
    each = [weight.isfinite().all() for weight in model.trainable_weights.values()]
    return bool(torch.stack(each).all())


@dataclass
class FineTuneStep:
    """Gradients of all weights on the task's next training rows, and scores; no prompt is read."""

    job: FineTuneJob
    model: TrainableCopy
    plan: StepPlan | None = None

    @property
    def theta(self) -> Tensor:
        """``[1, 0, H]``: a prompt of no tokens."""
        return self.model.vocabulary_prompt(1)[None, :0]

    def __call__(self, position: int) -> float:
        """Return the loss of update ``position`` (from 0); each weight has its ``grad``."""
        job, model, theta = self.job, self.model, self.theta
        batch = collate(
            [training_rows(job.split.train, job.config.tuning.batch, position, *job.stream)]
        )
        if self.plan is None:
            self.plan = plan_fine_tuning(model, theta, batch)
        backoff = BackOff(self.plan.rows, 1, model.device)

        def gradient(rows: int) -> float:
            model.recomputation.on |= backoff.halvings > 0
            for weight in model.trainable_weights.values():
                weight.grad = None  # also what an attempt that ran out of memory left behind
            total = 0.0
            for piece in pieces_of(batch, rows, model):
                loss = model.losses(theta, piece).sum()
                torch.autograd.backward(loss)
                total += float(loss.detach())
            return total

        loss = backoff.run(gradient)
        self.plan = self.plan.after(backoff)
        return loss

    def score(self, part: Part) -> float:
        """Score the model on a part of the task."""
        chosen = self.job.config
        limit, beams = chosen.backbone.max_target, chosen.tuning.num_beams
        questions = [self.questions(part)]
        return evaluate(self.model, self.theta, questions, limit=limit, beams=beams)[0]

    def questions(self, part: Part) -> Questions:
        """Return the questions of a part that are scored."""
        tuning = self.job.config.tuning
        most = tuning.test_rows if part == "test" else None
        return self.job.split.questions(part, most, tuning.scoring)


@dataclass
class _BestWeights:
    """The best dev score so far, and the weights that scored it unless they are the last ones."""

    dev: float = -float("inf")
    step: int = 0
    evals: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    _weights: dict[str, Tensor] | None = None

    def note(self, step: int, dev: float, model: TrainableCopy, *, last: bool) -> None:
        self.evals.append((step, dev))
        if dev > self.dev:
            self.dev, self.step, self._weights = dev, step, None
            if not last:
                # in main memory: the device holds the model, its gradients and the frozen one
                self._weights = {
                    name: weight.detach().to("cpu", copy=True)
                    for name, weight in model.trainable_weights.items()
                }

    @torch.no_grad()
    def restore(self, model: TrainableCopy) -> None:
        for name, weight in (self._weights or {}).items():
            model.trainable_weights[name].copy_(weight)
