"""Checkpoints of meta-trainings: one small file per run, written whole or not at all.

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
from mpt.files.atomic import write_whole
from mpt.files.tensor_file import notes_of, tensor_bytes

_LOG = logging.getLogger("mpt.engine")


@dataclass(frozen=True, slots=True)
class Saved:
    """One run as it was left: prompt ``[P, H]``, optimiser state, updates taken, loss curve, and
    how its steps were computed."""

    theta: Tensor
    moments: State
    position: int
    curve: tuple[float, ...]
    plan: StepPlan | None


@dataclass
class Checkpoints:
    """A folder of ``<digest>.safetensors``, written every ``every`` seconds and when ``asked``.

    Episodes are a function of the position (``mpt.gym.episodes``), so prompt, optimiser state,
    position and plan are all that a bit-for-bit continuation of a pack needs.
    """

    folder: Path
    every: float = 20.0
    asked: Callable[[], bool] = lambda: False
    _last: float = field(default_factory=time.monotonic)
    _is_failing: bool = False

    def due(self) -> bool:
        """Whether the last write is long enough ago, or one is asked for."""
        return self.asked() or time.monotonic() - self._last >= self.every

    def write(
        self,
        names: Sequence[str],
        state: TrainState,
        curves: Sequence[Sequence[float]],
        plan: StepPlan | None,
    ) -> None:
        """Save every lane of the state; ``names`` and ``curves`` are indexed by lane.

        A disk that is full or broken costs no training: it is said once, and training goes on.
        """
        try:
            self._write(names, state, curves, plan)
        except OSError as error:
            if not self._is_failing:
                _LOG.warning(
                    "checkpoints cannot be written to %s (%s); training goes on, and starts anew "
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
        for row, lane in enumerate(state.lanes):
            tensors = {f"moments.{key}": value[row] for key, value in state.moments.items()}
            tensors["theta"] = state.theta[row]
            position = state.position[row]
            notes = {
                "run": names[lane],
                "position": position,
                # an interrupted step may have noted its loss already
                "curve": list(curves[lane][:position]),
                "plan": asdict(plan) if plan else None,
            }
            told = json.dumps(notes)
            data = tensor_bytes(tensors, {"mpt": told, "sha256": _sum(told, tensors)})
            write_whole(self.path(names[lane]), data)

    def read(self, name: str, like: TrainState | None = None, row: int = 0) -> Saved | None:
        """The run's checkpoint; None where there is none, or one that is not as it was written.

        Args:
            name: of the run.
            like: a state whose ``row`` is of the run: what is read must have its shapes and types.
        """
        path = self.path(name)
        if not path.exists() and not path.is_symlink():
            return None
        try:
            found = _opened(path.read_bytes(), name)
            if like is not None:
                _expect_fit(found, like, row)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else error
            _LOG.warning("checkpoint %s cannot be used (%s); run %s begins anew", path, why, name)
            return None
        return found

    def drop(self, name: str) -> None:
        """Forget a run that is done."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the run's checkpoint lies."""
        return self.folder / f"{name}.safetensors"


def _opened(data: bytes, name: str) -> Saved:
    """A checkpoint's contents. Raises ``ValueError`` where they are not those of the run."""
    tensors, kept = load(data), notes_of(data)
    if kept["sha256"] != _sum(kept["mpt"], tensors):
        raise ValueError("its SHA-256 is not that of what it holds")
    notes = json.loads(kept["mpt"])
    if notes["run"] != name:
        raise ValueError(f"it is that of run {notes['run']}")
    plan = StepPlan(**notes["plan"]) if notes["plan"] else None
    theta = tensors.pop("theta")
    moments = {key.removeprefix("moments."): value for key, value in tensors.items()}
    found = Saved(theta, moments, int(notes["position"]), tuple(notes["curve"]), plan)
    numbers = [theta, *moments.values()]
    if not all(bool(torch.isfinite(one).all()) for one in numbers):
        raise ValueError("it holds NaN or infinity")
    if len(found.curve) != found.position or not all(map(isfinite, found.curve)):
        raise ValueError("its losses are not those of its updates")
    return found


def _expect_fit(found: Saved, like: TrainState, row: int) -> None:
    """Raise ``ValueError`` unless a checkpoint has the tensors of a row of ``like``."""
    wanted = {"theta": like.theta[row], **{key: value[row] for key, value in like.moments.items()}}
    held = {"theta": found.theta, **found.moments}
    for key in sorted({*wanted, *held}):
        here, there = held.get(key), wanted.get(key)
        if here is None or there is None or (here.shape, here.dtype) != (there.shape, there.dtype):
            raise ValueError(f"its {key} is not that of its run")


def _sum(notes: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a checkpoint's notes and tensors."""
    return sha256(tensor_bytes(tensors, {"mpt": notes})).hexdigest()


def resume(fresh: TrainState, saved: Sequence[Saved | None]) -> TrainState:
    """``fresh`` with the rows of saved runs put back where they were left."""
    device = fresh.theta.device
    theta, moments = fresh.theta.clone(), {k: v.clone() for k, v in fresh.moments.items()}
    position = list(fresh.position)
    for row, found in enumerate(saved):
        if found is None:
            continue
        theta[row] = found.theta.to(device)
        for key, value in found.moments.items():
            moments[key][row] = torch.as_tensor(value, device=device)
        position[row] = found.position
    return TrainState(fresh.lanes, theta, moments, tuple(position))


def plan_of(saved: Sequence[Saved | None], asked: str, attention: str) -> StepPlan | None:
    """The plan by which the runs of a pack were computed, if it is the same for all of them.

    A probe of another moment may find other room. None where another engine is ``asked`` for, or
    the device was another one.
    """
    plans = {found.plan if found else None for found in saved}
    plan = plans.pop()
    if plans or plan is None or plan.attention != attention:
        return None
    return plan if asked in ("auto", plan.engine) else None
