"""Replay all launches of a gradient at once, as a CUDA graph, where a GPU waits for its host.

A gradient of one run is some 2,600 kernels, and launching one takes longer than computing it. A
graph is captured once for every shape of a batch and replayed on whatever is copied into the memory
that it reads. Batches are padded to a few widths, so that their shapes come back.

``MPT_CUDA_GRAPHS=1`` asks for it. It has not run on a GPU yet, which is why it is not the default,
and why the first replay of every shape is compared with what it is to repeat.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mpt.backbone.batch import Batch
from mpt.backbone.frozen import Backbone
from mpt.backbone.transfer import copy_all
from mpt.engine.memory import cause_of
from mpt.notation import Loss, Losses, Prompts

VARIABLE = "MPT_CUDA_GRAPHS"

INPUTS, TARGETS = 32, 8
"""Tokens to multiples of which inputs and targets are padded."""

MOST = 16
"""Shapes that are captured at most: each keeps the memory of what it reads and gives."""

CLOSE = 0.02
"""Relative distance of a replay from the gradient that it repeats, at most; bfloat16 allows it."""

Work = Callable[[], tuple[Tensor, Tensor]]


class Graphs(Protocol):
    """What captures launches and times them: CUDA, or a test."""

    def capture(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, Tensor]]:
        """Return what replays the launches of ``work``, and the tensors that a replay fills."""
        ...

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the time that a call takes."""
        ...


class CudaGraphs:
    """Graphs of one device, which share their memory: what one gives is read before the next."""

    def __init__(self, device: torch.device) -> None:
        self.device, self._pool = device, torch.cuda.graph_pool_handle()

    def capture(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, Tensor]]:
        """See ``Graphs.capture``; what libraries do at their first calls is done beforehand."""
        beside = torch.cuda.Stream(self.device)
        beside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(beside):
            for _ in range(2):
                work()
        torch.cuda.current_stream(self.device).wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            given = work()
        return graph.replay, given

    def seconds(self, work: Callable[[], object]) -> float:
        """See ``Graphs.seconds``."""
        torch.cuda.synchronize(self.device)
        began = time.perf_counter()
        work()
        torch.cuda.synchronize(self.device)
        return time.perf_counter() - began


@dataclass(frozen=True)
class _Captured:
    """A graph of one shape: the memory that it reads, what replays it, and what it fills."""

    theta: Tensor
    batch: Batch
    replay: Callable[[], None]
    losses: Tensor
    direction: Tensor

    def read(self, theta: Prompts, batch: Batch) -> Losses:
        own = self.theta.detach(), *_tensors(self.batch)
        copy_all([theta.detach(), *_tensors(batch)], own)
        self.replay()
        return _Replayed.apply(theta, self.losses.clone(), self.direction.clone())  # type: ignore[return-value]


class _Replayed(torch.autograd.Function):
    """Losses ``[R]`` whose gradient is known already: a run's loss depends on its prompt alone."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, losses: Tensor, direction: Tensor) -> Tensor:
        ctx.save_for_backward(direction)
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (direction,), (of_losses,) = ctx.saved_tensors, gradients
        return of_losses[:, None, None] * direction, None, None


@dataclass
class GraphedLosses:
    """A loss that may be differentiated once, replayed where that is as good and faster.

    Attributes:
        losses: what is captured, and called where nothing is.
        graphs: what captures.
        note: what was gained, or why nothing is captured; for the plan of a step.
    """

    losses: Loss
    graphs: Graphs
    note: str = ""
    is_off: bool = False
    _captured: dict[Hashable, _Captured] = field(default_factory=dict[Hashable, _Captured])

    def __call__(self, theta: Prompts, batch: Batch) -> Losses:
        """Return the losses ``[R]``, see ``Backbone.losses``."""
        if self.is_off:
            return self.losses(theta, batch)
        wide = widened(batch)
        key = theta.shape, *(tensor.shape for tensor in _tensors(wide))
        if key not in self._captured and len(self._captured) < MOST:
            try:
                self._captured[key] = self._capture(theta, wide)
            except Exception as error:
                self.stop(cause_of(error))
        if key not in self._captured:
            return self.losses(theta, batch)
        return self._captured[key].read(theta, wide)

    def stop(self, why: str) -> None:
        """Capture nothing from now on, and give back the memory of what was."""
        self.note, self.is_off = f"no CUDA graphs: {why}", True
        self._captured.clear()

    def _capture(self, theta: Prompts, batch: Batch) -> _Captured:
        """Raises ``RuntimeError`` where a replay is not what it repeats, or no faster."""
        own = theta.detach().clone().requires_grad_()
        names = [one.name for one in fields(batch) if isinstance(getattr(batch, one.name), Tensor)]
        own_batch = replace(batch, **{name: getattr(batch, name).clone() for name in names})

        def gradient() -> tuple[Tensor, Tensor]:
            losses = self.losses(own, own_batch)
            (direction,) = torch.autograd.grad(losses.sum(), own)
            return losses.detach(), direction

        expected = gradient()
        replay, (losses, direction) = self.graphs.capture(gradient)
        replay()
        for got, wanted in zip((losses, direction), expected, strict=True):
            # false also for what is not a number
            if not _norm(got - wanted) <= CLOSE * _norm(wanted):
                raise RuntimeError("a replay was not what it was to repeat")
        gain = self.graphs.seconds(gradient) / self.graphs.seconds(replay)
        if gain < 1:
            raise RuntimeError(f"{gain:.2f}x as fast")
        self.note = self.note or f"CUDA graphs, {gain:.1f}x as fast"
        return _Captured(own, own_batch, replay, losses, direction)


def graphed(backbone: Backbone) -> GraphedLosses | None:
    """Return the losses of a backbone on a GPU as graphs where they are asked for."""
    if backbone.device.type != "cuda" or os.environ.get(VARIABLE) != "1":
        return None
    return GraphedLosses(backbone.losses, CudaGraphs(backbone.device))


def widened(batch: Batch) -> Batch:
    """Return the batch, padded to the next of few widths."""
    more = -batch.input.shape[1] % INPUTS
    further = -batch.target.shape[1] % TARGETS
    width, depth = batch.input.shape[1] + more, batch.target.shape[1] + further
    return replace(
        batch,
        input=F.pad(batch.input, (0, more)),
        input_mask=F.pad(batch.input_mask, (0, more)),
        target=F.pad(batch.target, (0, further), value=-100),
        widest=width + depth,
        is_padded=True,
    )


def _tensors(batch: Batch) -> list[Tensor]:
    values = [getattr(batch, one.name) for one in fields(batch)]
    return [value for value in values if isinstance(value, Tensor)]


def _norm(values: Tensor) -> float:
    return float(values.square().sum().sqrt())
