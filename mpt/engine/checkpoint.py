"""Checkpoints of meta-trainings: one small file per run, written whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mpt.engine.optim import State
from mpt.engine.plan import StepPlan
from mpt.engine.train import TrainState
from mpt.storage import write_whole


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
        """Save every lane of the state; ``names`` and ``curves`` are indexed by lane."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for row, lane in enumerate(state.lanes):
            tensors = {f"moments.{key}": value[row] for key, value in state.moments.items()}
            tensors["theta"] = state.theta[row]
            position = state.position[row]
            notes = {
                "position": position,
                # an interrupted step may have noted its loss already
                "curve": list(curves[lane][:position]),
                "plan": asdict(plan) if plan else None,
            }
            data = save(
                {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
                {"mpt": json.dumps(notes)},
            )
            write_whole(self.path(names[lane]), data)
        self._last = time.monotonic()

    def read(self, name: str) -> Saved | None:
        """The run's checkpoint; None where there is none or it cannot be read."""
        try:
            with safe_open(self.path(name), "pt") as file:
                notes = json.loads((file.metadata() or {})["mpt"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            plan = StepPlan(**notes["plan"]) if notes["plan"] else None
        except (OSError, SafetensorError, KeyError, ValueError, TypeError):
            return None
        theta = tensors.pop("theta")
        moments = {key.removeprefix("moments."): value for key, value in tensors.items()}
        return Saved(theta, moments, int(notes["position"]), tuple(notes["curve"]), plan)

    def drop(self, name: str) -> None:
        """Forget a run that is done."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the run's checkpoint lies."""
        return self.folder / f"{name}.safetensors"


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
