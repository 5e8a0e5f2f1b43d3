"""Training a pack: every lane takes its own steps at its own rate until it is done or diverges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mpt.engine.optim import Optimiser, State
from mpt.errors import Diverged
from mpt.methods.inner import MetaGradient
from mpt.notation import Losses, Prompts


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of a pack: its name (digest), start ``[P, H]``, learning rate and number of steps."""

    name: str
    start: Tensor
    rate: float
    steps: int


@dataclass(frozen=True, slots=True)
class TrainState:
    """The lanes still under way, and all that the next step depends on.

    Attributes:
        lanes: which lane each row of the tensors belongs to.
        theta: ``[R, P, H]``; moments: the optimiser's state, first axis R.
        position: updates taken so far, one count per lane.
    """

    lanes: tuple[int, ...]
    theta: Prompts
    moments: State
    position: tuple[int, ...]

    def keep(self, rows: Sequence[int]) -> TrainState:
        """The state of some of the rows alone."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.theta.device)
        return TrainState(
            tuple(self.lanes[i] for i in rows),
            self.theta[index],
            {name: tensor[index] for name, tensor in self.moments.items()},
            tuple(self.position[i] for i in rows),
        )


Gradient = Callable[[TrainState], MetaGradient]
"""The direction ``[R, P, H]`` and losses ``[R]`` of the next step of every row of the state."""

Watch = Callable[[TrainState, Losses], None]
"""Looks at the state after a step: curves, dev scores, checkpoints, progress."""


def start(lanes: Sequence[Lane], optimiser: Optimiser) -> TrainState:
    """The state before the first step of every lane."""
    theta = torch.stack([lane.start for lane in lanes])
    moments = optimiser.init(theta)
    return TrainState(tuple(range(len(lanes))), theta, moments, (0,) * len(lanes))


def train(
    lanes: Sequence[Lane],
    state: TrainState,
    gradient: Gradient,
    *,
    optimiser: Optimiser,
    watch: Watch,
) -> list[Prompts | Diverged]:
    """Run every lane to its end; a finished or diverged lane leaves, the others go on.

    Returns:
        Per lane its last prompt ``[P, H]``, or what went wrong and at which step.

    Raises:
        Exception: whatever a step or ``watch`` raises, its attribute ``step`` set.
    """
    ended: dict[int, Prompts | Diverged] = {}
    state = _retire(lanes, state, ended)
    while state.lanes:
        rates = [lanes[lane].rate for lane in state.lanes]
        rate = state.theta.new_tensor(rates)[:, None, None]
        with _at_step(max(state.position) + 1):
            found = gradient(state)
            theta, moments = optimiser.step(state.theta, found.direction, state.moments, rate)
            state = replace(
                state, theta=theta, moments=moments, position=tuple(p + 1 for p in state.position)
            )
            state, losses = _drop_diverged(lanes, state, found.losses, ended)
            if state.lanes:
                watch(state, losses)
        state = _retire(lanes, state, ended)
    return [ended[lane] for lane in range(len(lanes))]


@contextmanager
def _at_step(step: int) -> Iterator[None]:
    """An error inside knows its ``step``, counted from 1, as ``Diverged`` does."""
    try:
        yield
    except Exception as error:
        vars(error)["step"] = step
        raise


def _retire(
    lanes: Sequence[Lane], state: TrainState, ended: dict[int, Prompts | Diverged]
) -> TrainState:
    going = []
    for row, (lane, position) in enumerate(zip(state.lanes, state.position, strict=True)):
        if position < lanes[lane].steps:
            going.append(row)
        else:
            ended[lane] = state.theta[row].clone()
    return state if len(going) == len(state.lanes) else state.keep(going)


def _drop_diverged(
    lanes: Sequence[Lane],
    state: TrainState,
    losses: Losses,
    ended: dict[int, Prompts | Diverged],
) -> tuple[TrainState, Losses]:
    finite_loss = losses.isfinite()
    healthy = (finite_loss & state.theta.isfinite().flatten(1).all(-1)).tolist()
    if all(healthy):
        return state, losses
    for row in (row for row, good in enumerate(healthy) if not good):
        lane = state.lanes[row]
        what = "its prompt" if bool(finite_loss[row]) else "its loss"
        ended[lane] = Diverged(lanes[lane].name, state.position[row], what)
    kept = [row for row, good in enumerate(healthy) if good]
    return state.keep(kept), losses[kept]
