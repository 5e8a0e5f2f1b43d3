"""Update the runs of a pack, each with its own state, clipping, learning rate and step count.

Each is a pure function of (theta, gradient, state, rate); the state is a mapping of tensors whose
first axis is R, so that runs can leave a pack and be checkpointed one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from mpt.notation import Prompts, Rates

State = Mapping[str, Tensor]


class Optimiser(Protocol):
    """Contract (``tests/contracts/test_optimiser_contract.py``): R runs together = R runs alone."""

    def init(self, theta: Prompts) -> State:
        """Return the state before the first step."""
        ...

    def step(
        self, theta: Prompts, gradient: Prompts, state: State, rate: Rates
    ) -> tuple[Prompts, State]:
        """Return new prompts and state; nothing it was given is changed."""
        ...


@dataclass(frozen=True)
class Adafactor:
    """Shazeer and Stern 2018 as the paper's authors run it: fixed rate, factored second moment.

    No relative step, no parameter scale, no first moment, so that a step moves each element by
    about the learning rate whatever the gradient's size. Equal to ``transformers.Adafactor`` run
    by run (``tests/engine/test_optim.py``).
    """

    clip: float = 1.0
    decay: float = -0.8
    weight_decay: float = 1e-5
    eps: float = 1e-30

    def init(self, theta: Prompts) -> State:
        """Return zero row means ``[R, P]``, column means ``[R, H]`` and step counts ``[R]``."""
        return {
            "rows": torch.zeros_like(theta[..., 0]),
            "columns": torch.zeros_like(theta[:, 0]),
            "steps": torch.zeros(theta.shape[0], dtype=torch.int64, device=theta.device),
        }

    def step(
        self, theta: Prompts, gradient: Prompts, state: State, rate: Rates
    ) -> tuple[Prompts, State]:
        """Compute one update; see the class."""
        steps = state["steps"] + 1
        keep = (1.0 - steps.to(torch.float64) ** self.decay).to(theta.dtype)[:, None]
        square = gradient.square() + self.eps
        rows = keep * state["rows"] + (1 - keep) * square.mean(-1)
        columns = keep * state["columns"] + (1 - keep) * square.mean(-2)
        update = (rows / rows.mean(-1, keepdim=True)).rsqrt()[..., None] * gradient
        update = update * columns.rsqrt()[:, None, :]
        update = update / (_rms(update) / self.clip).clamp_min(1.0)
        theta = theta - rate * self.weight_decay * theta - rate * update
        return theta, {"rows": rows, "columns": columns, "steps": steps}


@dataclass(frozen=True)
class AdamW:
    """Loshchilov and Hutter 2019, with torch's defaults; equal to ``torch.optim.AdamW``."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01

    def init(self, theta: Prompts) -> State:
        """Return zero moments ``[R, P, H]`` and step counts ``[R]``."""
        return {
            "first": torch.zeros_like(theta),
            "second": torch.zeros_like(theta),
            "steps": torch.zeros(theta.shape[0], dtype=torch.int64, device=theta.device),
        }

    def step(
        self, theta: Prompts, gradient: Prompts, state: State, rate: Rates
    ) -> tuple[Prompts, State]:
        """Compute one update; see the class."""
        steps = state["steps"] + 1
        count = steps.to(torch.float64)[:, None, None]
        first = self.beta1 * state["first"] + (1 - self.beta1) * gradient
        second = self.beta2 * state["second"] + (1 - self.beta2) * gradient.square()
        mean = first / (1 - self.beta1**count).to(theta.dtype)
        spread = (second / (1 - self.beta2**count).to(theta.dtype)).sqrt()
        theta = theta * (1 - rate * self.weight_decay) - rate * mean / (spread + self.eps)
        return theta, {"first": first, "second": second, "steps": steps}


@dataclass(frozen=True)
class SGD:
    """theta - rate * gradient."""

    def init(self, theta: Prompts) -> State:
        """Return step counts ``[R]`` alone."""
        return {"steps": torch.zeros(theta.shape[0], dtype=torch.int64, device=theta.device)}

    def step(
        self, theta: Prompts, gradient: Prompts, state: State, rate: Rates
    ) -> tuple[Prompts, State]:
        """Compute one update; see the class."""
        return theta - rate * gradient, {"steps": state["steps"] + 1}


OPTIMISERS: Mapping[str, Optimiser] = MappingProxyType(
    {"adafactor": Adafactor(), "adamw": AdamW(), "sgd": SGD()}
)


def _rms(update: Prompts) -> Tensor:
    """Root mean square of each run, ``[R, 1, 1]``."""
    return update.square().mean((-2, -1), keepdim=True).sqrt()
