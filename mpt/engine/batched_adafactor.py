"""Update all weights of a model by Adafactor in few kernels: those of one shape together.

One weight after the other takes some twenty kernels each, 13,000 for a T5-Large. Stacked weights of
one shape are to the optimiser what the prompts of a pack are (``mpt.engine.optim``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mpt.backbone.transfer import copy_all
from mpt.engine.optim import Adafactor, State

STACK = 128 * 2**20
"""Bytes of weights that are updated together at most: an update holds some six times as much."""


@dataclass
class _Stack:
    """Weights of one shape, and what their optimiser knows of them."""

    weights: list[nn.Parameter]
    optimiser: Adafactor
    state: State

    def step(self, rate: float) -> None:
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        theta, gradient = torch.stack([*self.weights]), torch.stack(gradients)
        step = self.optimiser.step if theta.ndim == 3 else self._vectors
        rates = theta.new_full((len(theta), *[1] * (theta.ndim - 1)), rate)
        theta, self.state = step(theta, gradient, self.state, rates)
        copy_all(theta.unbind(), self.weights)

    def _vectors(
        self, theta: Tensor, gradient: Tensor, state: State, rate: Tensor
    ) -> tuple[Tensor, State]:
        """The same for weights ``[n, D]``, whose second moment is kept whole."""
        chosen, steps = self.optimiser, state["steps"] + 1
        keep = (1.0 - steps.to(torch.float64) ** chosen.decay).to(theta.dtype)[:, None]
        squares = keep * state["squares"] + (1 - keep) * (gradient.square() + chosen.eps)
        update = squares.rsqrt() * gradient
        rms = update.square().mean(-1, keepdim=True).sqrt()
        update = update / (rms / chosen.clip).clamp_min(1.0)
        theta = theta - rate * chosen.weight_decay * theta - rate * update
        return theta, {"squares": squares, "steps": steps}


class BatchedAdafactor:
    """Equal to ``mpt.backbone.hub.adafactor`` but for rounding; for weights of one or two axes."""

    def __init__(self, weights: Mapping[str, nn.Parameter], rate: float) -> None:
        self.weights, self.rate = weights, rate
        self._stacks: list[_Stack] = []

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight that has a gradient; which ones have is seen at the first step."""
        if not self._stacks:
            self._stacks = [*_stacks(self.weights)]
        for stack in self._stacks:
            stack.step(self.rate)


def _stacks(weights: Mapping[str, nn.Parameter]) -> Sequence[_Stack]:
    groups: dict[tuple[torch.Size, bool], list[nn.Parameter]] = {}
    for name, weight in weights.items():
        if weight.grad is not None:
            groups.setdefault((weight.shape, name.endswith("bias")), []).append(weight)
    stacks = list[_Stack]()
    for (_, is_bias), alike in groups.items():
        size = max(1, STACK // (alike[0].numel() * alike[0].element_size()))
        for cut in range(0, len(alike), size):
            stacks.append(_stack(alike[cut : cut + size], decays=not is_bias))
    return stacks


def _stack(weights: list[nn.Parameter], *, decays: bool) -> _Stack:
    optimiser = Adafactor() if decays else replace(Adafactor(), weight_decay=0.0)
    first = weights[0]
    like = first.detach().expand(len(weights), *first.shape)
    if first.ndim == 2:
        return _Stack(weights, optimiser, optimiser.init(like))
    steps = torch.zeros(len(weights), dtype=torch.int64, device=first.device)
    return _Stack(weights, optimiser, {"squares": torch.zeros_like(like), "steps": steps})
