"""Write and read checkpoints of meta-trainings: a small file per run, whole or not at all.

Each holds its run's name and a hash of all that is in it; one that is not as it was written counts
as absent, so that its run begins anew.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from math import isfinite
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from mpt.engine.optim import State
from mpt.engine.plan import StepPlan
from mpt.engine.train import TrainState
from mpt.files.atomic import delete_whole, write_whole
from mpt.files.tensor_file import notes_of, tensor_bytes
from mpt.methods import AUTO

_LOG = logging.getLogger("mpt.engine")
_LEARNED, _MOMENTS = "learned.", "moments."
"""What the names of a checkpoint's tensors begin with."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One run as it was left.

    Attributes:
        theta: ``[P, H]``, its prompt.
        learned: what its method learns beside the prompt.
        moments: the optimiser's state.
        position: updates taken.
        curve: the loss (nats) of each.
        plan: how they were computed.
    """

    theta: Tensor
    learned: Mapping[str, Tensor]
    moments: State
    position: int
    curve: tuple[float, ...]
    plan: StepPlan | None


@dataclass
class Checkpoints:
    """A folder of ``<digest>.safetensors``, written every ``every`` seconds and when ``wanted``.

    Episodes are a function of the position (``mpt.gym.episodes``), so what is learned, the
    optimiser's state, position and plan are all that a bit-for-bit continuation of a pack needs.
    """

    folder: Path
    every: float = 20.0
    wanted: Callable[[], bool] = lambda: False
    _last: float = field(default_factory=time.monotonic)
    _is_failing: bool = False

    def due(self) -> bool:
        """Whether the last write is long enough ago, or one is wanted now."""
        return self.wanted() or time.monotonic() - self._last >= self.every

    def write(
        self,
        names: Sequence[str],
        state: TrainState,
        curves: Sequence[Sequence[float]],
        plan: StepPlan | None,
    ) -> None:
        """Save every run of the state; ``names`` and ``curves`` are indexed by run.

        A disk that is full or broken costs no training: it is said once, and training continues.
        """
        try:
            self._write(names, state, curves, plan)
        except OSError as error:
            if not self._is_failing:
                _LOG.warning(
                    "checkpoints cannot be written to %s (%s); training continues, and starts anew "
                    "if it is interrupted: make room, or set MPT_HOME to another disk",
                    self.folder,
                    error.strerror or error,
                )
            self._is_failing = True
        else:
            self._is_failing = False
        self._last = time.monotonic()

    def _write(
        self,
        names: Sequence[str],
        state: TrainState,
        curves: Sequence[Sequence[float]],
        plan: StepPlan | None,
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for row, run in enumerate(state.runs):
            tensors = _tensors(state, row)
            position = state.position[row]
            notes = {
                "run": names[run],
                "position": position,
                # an interrupted step may have noted its loss already
                "curve": list(curves[run][:position]),
                "plan": asdict(plan) if plan else None,
            }
            text = json.dumps(notes)
            data = tensor_bytes(tensors, {"mpt": text, "sha256": _sum(text, tensors)})
            write_whole(self.path(names[run]), data)

    def read(self, name: str, like: TrainState | None = None, row: int = 0) -> Saved | None:
        """Return the run's checkpoint; None where there is none that is as it was written.

        Args:
            name: of the run.
            like: a state whose ``row`` is of the run: what is read must have its shapes and types.
        """
        path = self.path(name)
        if not path.exists() and not path.is_symlink():
            return None
        try:
            saved = _opened(path.read_bytes(), name)
            if like is not None:
                _expect_fit(saved, like, row)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else error
            _LOG.warning("checkpoint %s cannot be used (%s); run %s begins anew", path, why, name)
            return None
        return saved

    def drop(self, name: str) -> None:
        """Forget a run that is done."""
        delete_whole(self.path(name))

    def path(self, name: str) -> Path:
        """Return where the run's checkpoint lies."""
        return self.folder / f"{name}.safetensors"


def _opened(data: bytes, name: str) -> Saved:
    """A checkpoint's contents. Raises ``ValueError`` where they are not those of the run."""
    tensors, header = load(data), notes_of(data)
    if header["sha256"] != _sum(header["mpt"], tensors):
        raise ValueError("its SHA-256 is not that of what it holds")
    notes = json.loads(header["mpt"])
    if notes["run"] != name:
        raise ValueError(f"it is that of run {notes['run']}")
    plan = StepPlan(**notes["plan"]) if notes["plan"] else None
    if not all(bool(torch.isfinite(one).all()) for one in tensors.values()):
        raise ValueError("it holds NaN or infinity")
    saved = Saved(
        tensors["theta"],
        _under(_LEARNED, tensors),
        _under(_MOMENTS, tensors),
        int(notes["position"]),
        tuple(notes["curve"]),
        plan,
    )
    if len(saved.curve) != saved.position or not all(map(isfinite, saved.curve)):
        raise ValueError("its losses are not those of its updates")
    return saved


def _tensors(state: TrainState, row: int) -> dict[str, Tensor]:
    """The tensors of one run's checkpoint by name."""
    return {
        "theta": state.theta[row],
        **{f"{_LEARNED}{key}": value[row] for key, value in state.learned.items()},
        **{f"{_MOMENTS}{key}": value[row] for key, value in state.moments.items()},
    }


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _expect_fit(saved: Saved, like: TrainState, row: int) -> None:
    """Raise ``ValueError`` unless a checkpoint has the tensors of a row of ``like``."""
    wanted = {"theta": like.theta[row]}
    wanted |= {key: value[row] for key, value in (*like.learned.items(), *like.moments.items())}
    present = {"theta": saved.theta, **saved.learned, **saved.moments}
    for key in sorted({*wanted, *present}):
        here, there = present.get(key), wanted.get(key)
        if here is None or there is None or (here.shape, here.dtype) != (there.shape, there.dtype):
            raise ValueError(f"its {key} is not that of its run")


def _sum(notes: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a checkpoint's notes and tensors."""
    return sha256(tensor_bytes(tensors, {"mpt": notes})).hexdigest()


def resume(fresh: TrainState, saved: Sequence[Saved | None]) -> TrainState:
    """Return ``fresh`` with the rows of saved runs put back where they were left."""
    theta, position = fresh.theta.clone(), list(fresh.position)
    learned = {name: tensor.clone() for name, tensor in fresh.learned.items()}
    moments = {name: tensor.clone() for name, tensor in fresh.moments.items()}
    for row, one in enumerate(saved):
        if one is None:
            continue
        theta[row], position[row] = one.theta.to(theta.device), one.position
        for name, tensor in one.learned.items():
            learned[name][row] = tensor.to(theta.device)
        for name, tensor in one.moments.items():
            moments[name][row] = tensor.to(theta.device)
    return TrainState(fresh.runs, theta, learned, moments, tuple(position))


def plan_of(saved: Sequence[Saved | None], engine: str, attention: str) -> StepPlan | None:
    """Return the plan by which the runs of a pack were computed, if all of them have the same.

    A probe of another moment may find less memory free. None where another ``engine`` is wanted,
    or the device was another one.
    """
    plans = {one.plan if one else None for one in saved}
    plan = plans.pop()
    if plans or plan is None or plan.attention != attention:
        return None
    return plan if engine in (AUTO, plan.engine) else None
