"""Probe what memory a gradient takes, on a few rows as wide and as padded as all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mpt.backbone.batch import Batch
from mpt.backbone.frozen import Backbone
from mpt.engine.memory import BackOff
from mpt.methods.inner import slope
from mpt.notation import Prompts

FEW = 4
"""Rows of the larger of two probes."""


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes that a computation holds: some whatever its rows, and some for every row."""

    fixed: float
    row: float

    def of(self, rows: float) -> float:
        """Return the bytes for so many rows."""
        return self.fixed + self.row * rows

    def rows(self, budget: float) -> int:
        """Return the rows that fit into a budget of bytes, at least 1."""
        return max(1, int((budget - self.fixed) / self.row)) if self.row > 0 else 1 << 30


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that a gradient holds above those that were there before.

    Attributes:
        peak: at most, until it is done with.
        kept: by its graph, while it waits to be differentiated again; else what it leaves.
    """

    peak: Line
    kept: Line


def footprint(
    backbone: Backbone,
    theta: Prompts,
    batch: Batch,
    *,
    twice: bool,
    through: bool | None = None,
    weights: Sequence[nn.Parameter] = (),
) -> Footprint:
    """Probe a gradient on some rows and on half of them, or on two runs and on one of them.

    For batches of one width memory grows with the rows and with nothing else, so that two points
    give the line; rows of a run may share the work on its prompt, and grow with the runs. A row is
    read on a GPU beforehand: libraries allocate what they need for themselves.

    Args:
        backbone: the language model.
        theta: ``[R, P, H]``.
        batch: the rows, on the CPU.
        twice: by the losses that are twice differentiable.
        through: the graph is kept and differentiated again; default: with ``twice``.
        weights: of a model that is fine-tuned, instead of the prompts.

    Raises:
        OutOfMemory: not even one row fits.
    """
    through = twice if through is None else through

    def held(rows: int) -> tuple[float, float]:
        part = replace(batch.rows(range(rows)), is_padded=batch.is_padded)
        return _held(backbone, theta, part, twice=twice, through=through, weights=weights)

    def lines(more: int) -> Footprint:
        few = of_one if more > of_one else max(1, more // 2)
        if theta.device.type == "cuda":
            held(1)
        points = zip(held(few), held(more) if more > few else (0.0, 0.0), strict=True)
        return Footprint(*(line(few, low, more, high) for low, high in points))

    of_one = more = min(FEW, len(batch))
    if backbone.shares_prompt and len(batch.present) > 1:
        of_one, more = (int((batch.place_of_row < runs).sum()) for runs in (1, 2))
    return BackOff(more, len(theta), theta.device).run(lines)


def line(few: int, low: float, more: int, high: float) -> Line:
    """Return the line through the bytes of few rows and of more; of few alone where they are all.

    ``high`` is not read then.
    """
    if more <= few:
        return Line(0.0, low / few)
    row = max(1.0, (high - low) / (more - few))
    return Line(max(0.0, low - row * few), row)


def peak_of(work: Callable[[], object], device: torch.device) -> float:
    """Return the bytes that work takes of a GPU at most, above those that were taken before."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return float(torch.cuda.max_memory_allocated(device) - before)


def _held(
    backbone: Backbone,
    theta: Prompts,
    batch: Batch,
    *,
    twice: bool,
    through: bool,
    weights: Sequence[nn.Parameter],
) -> tuple[float, float]:
    """Bytes at most, and those between the two gradients; on a CPU those that graphs save."""
    loss = backbone.losses_twice_differentiable if twice else backbone.losses
    theta, device = theta.detach().requires_grad_(), backbone.device

    def first() -> Tensor | tuple[Tensor, ...]:
        here = batch.to(device)
        if weights:
            return torch.autograd.grad(loss(theta, here).sum(), weights, allow_unused=True)
        return slope(theta, here, loss, through=through).direction

    if device.type == "cuda":
        before, kept = torch.cuda.memory_allocated(device), 0

        def both() -> None:
            nonlocal kept
            gradient = first()
            kept = torch.cuda.memory_allocated(device) - before
            if through and isinstance(gradient, Tensor):
                torch.autograd.grad(gradient.sum(), theta)

        return peak_of(both, device), float(kept)
    storages: dict[int, int] = {}

    def keep(saved: Tensor) -> Tensor:
        if not isinstance(saved, nn.Parameter):
            storage = saved.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        gradient = first()
    del gradient
    saved = float(sum(storages.values()))
    return saved, saved
