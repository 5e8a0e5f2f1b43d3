"""Train a pack: every run takes its own steps at its own rate until it is done or diverges."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mpt.backbone.transfer import Reading
from mpt.engine.optim import Optimiser, State
from mpt.errors import Diverged
from mpt.methods.inner import MetaGradient
from mpt.notation import Losses, Prompts


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a pack, as it begins.

    Attributes:
        name: its digest.
        start: ``[P, H]``, its prompt.
        rate: its learning rate.
        steps: its updates in all.
        learned: what its method learns beside the prompt, each tensor without the axis R.
    """

    name: str
    start: Tensor
    rate: float
    steps: int
    learned: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True, slots=True)
class TrainState:
    """The runs still training, and all that the next step depends on.

    Attributes:
        runs: which run of the pack each row of the tensors belongs to.
        theta: ``[R, P, H]``.
        learned: what is learned beside the prompts, by name, first axis R.
        moments: the optimiser's state, first axis R; that of ``learned[name]`` as ``name.key``.
        position: updates taken so far, one count per row.
    """

    runs: tuple[int, ...]
    theta: Prompts
    learned: Mapping[str, Tensor]
    moments: State
    position: tuple[int, ...]

    def keep(self, rows: Sequence[int]) -> TrainState:
        """Return the state of some of the rows alone."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.theta.device)
        return TrainState(
            tuple(self.runs[i] for i in rows),
            self.theta[index],
            {name: tensor[index] for name, tensor in self.learned.items()},
            {name: tensor[index] for name, tensor in self.moments.items()},
            tuple(self.position[i] for i in rows),
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """Where a run ended: its prompt ``[P, H]``, and what was learned beside it."""

    prompt: Tensor
    learned: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step that was taken: the state after it, and ``[2, R]``, losses and which runs are well."""

    state: TrainState
    reading: Reading


Gradient = Callable[[TrainState], MetaGradient]
"""Computes directions and losses ``[R]`` of the next step of every row of the state."""

Watch = Callable[[TrainState, Losses], None]
"""Is called with the state after a step: curves, dev scores, checkpoints, progress."""


def start(runs: Sequence[Run], optimiser: Optimiser) -> TrainState:
    """Return the state before the first step of every run."""
    theta = torch.stack([run.start for run in runs])
    learned = {name: torch.stack([run.learned[name] for run in runs]) for name in runs[0].learned}
    moments = dict(optimiser.init(theta))
    for name, tensor in learned.items():
        moments |= {f"{name}.{key}": value for key, value in optimiser.init(tensor).items()}
    return TrainState(tuple(range(len(runs))), theta, learned, moments, (0,) * len(runs))


def train(
    runs: Sequence[Run],
    state: TrainState,
    gradient: Gradient,
    *,
    optimiser: Optimiser,
    watch: Watch,
) -> list[Trained | Diverged]:
    """Take every run to its end; a finished or diverged run leaves, the others continue.

    What a step on a GPU has led to is read when the next one is queued, so that the GPU never
    waits for the host. Runs do not mix: the step that a diverged run took too many is nobody's.

    Returns:
        Per run where it ended, or what went wrong and at which step.

    Raises:
        Exception: whatever a step or ``watch`` raises, its attribute ``step`` set.
    """
    ended: dict[int, Trained | Diverged] = {}
    unread, most_unread = deque[_Step](), 1 if state.theta.is_cuda else 0
    rates: dict[tuple[int, ...], Tensor] = {}
    _note_finished(runs, state, ended)
    state = _unfinished(runs, state)
    while state.runs or unread:
        if state.runs:
            if state.runs not in rates:
                alive = [runs[run].rate for run in state.runs]
                rates = {state.runs: state.theta.new_tensor(alive)[:, None, None]}
            with _at_step(max(state.position) + 1):
                step = _taken(state, gradient, optimiser, rates[state.runs])
            unread.append(step)
            state = _unfinished(runs, step.state)
        if len(unread) > most_unread or not state.runs:
            step = unread.popleft()
            with _at_step(max(step.state.position)):
                after, losses = _drop_diverged(runs, step, ended)
                if after.runs:
                    watch(after, losses)
            _note_finished(runs, after, ended)
            state = _alive(state, ended)
    return [ended[run] for run in range(len(runs))]


def _taken(state: TrainState, gradient: Gradient, optimiser: Optimiser, rate: Tensor) -> _Step:
    """Take a step, and send for its losses and for which runs are well."""
    directions = gradient(state)
    state = _updated(state, directions, optimiser, rate)
    losses = directions.losses
    is_well = losses.isfinite()
    for tensor in (state.theta, *state.learned.values()):
        is_well = is_well & tensor.isfinite().flatten(1).all(-1)
    return _Step(state, Reading(torch.stack([losses, is_well.to(losses)])))


def _updated(
    state: TrainState, directions: MetaGradient, optimiser: Optimiser, rate: Tensor
) -> TrainState:
    """The state after one update of the prompts, and of what is learned beside them."""
    own = {name: f"{name}." for name in state.learned}
    of_theta = {
        key: value
        for key, value in state.moments.items()
        if not any(key.startswith(prefix) for prefix in own.values())
    }
    theta, moments = optimiser.step(state.theta, directions.direction, of_theta, rate)
    learned, moments = dict[str, Tensor](), dict(moments)
    for name, prefix in own.items():
        known = {
            key.removeprefix(prefix): value
            for key, value in state.moments.items()
            if key.startswith(prefix)
        }
        learned[name], after = optimiser.step(
            state.learned[name], directions.learned[name], known, rate
        )
        moments |= {f"{prefix}{key}": value for key, value in after.items()}
    position = tuple(count + 1 for count in state.position)
    return replace(state, theta=theta, learned=learned, moments=moments, position=position)


@contextmanager
def _at_step(step: int) -> Generator[None]:
    """Note on an error inside its ``step``, counted from 1, as ``Diverged`` does."""
    try:
        yield
    except Exception as error:
        vars(error)["step"] = step
        raise


def _unfinished(runs: Sequence[Run], state: TrainState) -> TrainState:
    """The state of the runs that have steps left to take."""
    rows = [
        row
        for row, (run, position) in enumerate(zip(state.runs, state.position, strict=True))
        if position < runs[run].steps
    ]
    return state if len(rows) == len(state.runs) else state.keep(rows)


def _alive(state: TrainState, ended: Mapping[int, Trained | Diverged]) -> TrainState:
    """The state of the runs that have not ended."""
    rows = [row for row, run in enumerate(state.runs) if run not in ended]
    return state if len(rows) == len(state.runs) else state.keep(rows)


def _note_finished(
    runs: Sequence[Run], state: TrainState, ended: dict[int, Trained | Diverged]
) -> None:
    """Note where the runs ended that have taken all their steps."""
    for row, (run, position) in enumerate(zip(state.runs, state.position, strict=True)):
        if position >= runs[run].steps:
            learned = {name: tensor[row].clone() for name, tensor in state.learned.items()}
            ended[run] = Trained(state.theta[row].clone(), learned)


def _drop_diverged(
    runs: Sequence[Run], step: _Step, ended: dict[int, Trained | Diverged]
) -> tuple[TrainState, Losses]:
    """State and losses of the runs that are well after a step, and were before it."""
    losses, is_well = step.reading.wait().unbind()
    state, kept = step.state, list[int]()
    for row, run in enumerate(state.runs):
        if run in ended:
            continue
        if is_well[row]:
            kept.append(row)
        else:
            what = "its prompt" if losses[row].isfinite() else "its loss"
            ended[run] = Diverged(runs[run].name, state.position[row], what)
    return (state, losses) if len(kept) == len(state.runs) else (state.keep(kept), losses[kept])
