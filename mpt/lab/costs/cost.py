"""Estimate the cost of work on this device, by timing a few steps of its packs."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean
from typing import TypeVar

import torch

from mpt.compute.progress import OnStep
from mpt.compute.worker import Worker
from mpt.config import VOCABULARY, CellConfig, FineTuneConfig, RunConfig, Tuning
from mpt.engine.pack import cell_shape, packs, run_shape
from mpt.lab.costs.workload import Workload
from mpt.lab.run import Lab, PackSize
from mpt.methods import method
from mpt.store.unit import Unit

STEPS = 4
"""Timed updates of a pack, after one update to warm up."""

PLACES = 3
"""Packs of downstream cells that are timed: with short, medium and long inputs."""

Timed = TypeVar("Timed", RunConfig, CellConfig, FineTuneConfig)
Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Timing:
    """Hold the timing of one pack, which represents all units of its kind.

    Attributes:
        what: description for people.
        runs: number of runs in the pack.
        step: seconds per update of the whole pack.
        each: seconds per unit, including its share of the pack's evaluations.
        units: number of units of this kind to compute.
        kept: bytes stored per unit: its prompt and its record.
    """

    what: str
    runs: int
    step: float
    each: float
    units: int
    kept: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold the estimated cost of the units to compute.

    Attributes:
        device: name of the device that was timed.
        timings: one for each kind of unit.
        memory: peak memory in bytes, of the GPU or else of the process.
        disk: bytes of prompts and records, without what MLflow stores.
    """

    device: str
    timings: tuple[Timing, ...]
    memory: int
    disk: float

    @property
    def seconds(self) -> float:
        """Return the seconds of computation, without the start of the program."""
        return sum(timing.each * timing.units for timing in self.timings)


def probe(workload: Workload, worker: Worker, lab: Lab) -> Cost:
    """Time a few packs of the remaining work.

    Args:
        workload: see ``mpt.lab.costs.workload``.
        worker: computes the packs; it writes to its home, so give it a temporary one.
        lab: provides the order of cells in packs.
    """
    device = worker.backbone.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    study, remaining = workload.study, workload.left
    timings = [*_learning([c for c in remaining if isinstance(c, RunConfig)], study.pack, worker)]
    cells = sorted((c for c in remaining if isinstance(c, CellConfig)), key=lab.length)
    timings += _tuning(cells, study.cells_per_pack, worker)
    timings += _fine_tuning([c for c in remaining if isinstance(c, FineTuneConfig)], worker)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    disk = sum(timing.kept * timing.units for timing in timings)
    return Cost(name, tuple(timings), memory, disk)


def _learning(configs: Sequence[RunConfig], size: PackSize, worker: Worker) -> list[Timing]:
    """Time a pack of every shape of meta-training."""
    shapes: dict[Hashable, list[RunConfig]] = {}
    for config in configs:
        shapes.setdefault(run_shape(config), []).append(config)
    timings = []
    for alike in shapes.values():
        most = worker.runs_that_fit(alike) if size == "auto" else size
        pack = [_short(config, "outer") for config in alike[:most]]
        step, _, unit = _timed(worker.learn, pack)
        steps = fmean(config.outer.steps for config in alike)
        inner = (
            "" if not method(alike[0].method).support else f", {alike[0].inner.steps} inner steps"
        )
        what = f"meta-training, {alike[0].method}{inner}"
        each = steps * step / len(pack)
        timings.append(Timing(what, len(pack), step, each, len(alike), _kept(unit, steps, worker)))
    return timings


def _tuning(cells: Sequence[CellConfig], size: PackSize, worker: Worker) -> list[Timing]:
    """Time packs with short, medium and long inputs."""
    timings = []
    if not cells:
        return timings
    if size == "auto":
        size = worker.cells_that_fit([_short(cells[-1], "tuning", start=VOCABULARY)])
    all_packs = packs(cells, shape=cell_shape, size=size)
    for stretch in _stretches(all_packs):
        chosen = stretch[len(stretch) // 2]
        units = sum(map(len, stretch))
        pack = [_short(c, "tuning", start=VOCABULARY) for c in chosen]
        timings.append(_time_cells("prompt tuning", chosen, pack, worker.tune, units, worker))
    return timings


def _fine_tuning(configs: Sequence[FineTuneConfig], worker: Worker) -> list[Timing]:
    timings = []
    for stretch in _stretches(configs):
        chosen = [stretch[len(stretch) // 2]]
        pack = [_short(config, "tuning") for config in chosen]
        what = "full fine-tuning"
        timings.append(_time_cells(what, chosen, pack, worker.fine_tune, len(stretch), worker))
    return timings


def _time_cells(
    what: str,
    whole: Sequence[CellConfig] | Sequence[FineTuneConfig],
    pack: Sequence[Timed],
    compute: Callable[[Sequence[Timed], OnStep], list[Unit]],
    units: int,
    worker: Worker,
) -> Timing:
    """Time a pack of cells: its updates, and its evaluations per row of dev and test."""
    step, rest, unit = _timed(compute, pack)
    splits = [worker.tokens(c.task, c.data_seed, c.shots).split for c in whole]
    tuning = whole[0].tuning
    most = tuning.dev_rows if isinstance(tuning, Tuning) else None
    dev = sum(min(len(s.dev), most or len(s.dev)) for s in splits)
    test = sum(len(s.test_places(tuning.test_rows)) for s in splits)
    rows = tuning.num_evals * dev + test
    each = (tuning.steps * step + rest * rows / (dev + test)) / len(whole)
    return Timing(what, len(whole), step, each, units, _kept(unit, tuning.steps, worker))


def _timed(
    compute: Callable[[Sequence[Timed], OnStep], list[Unit]], pack: Sequence[Timed]
) -> tuple[float, float, Unit]:
    """Return the seconds per update, the seconds from the last update to the end, and a unit."""
    ticks: list[float] = []
    units = compute(pack, lambda _: ticks.append(time.perf_counter()))
    end = time.perf_counter()
    timed = min(STEPS, len(ticks) - 1)
    return (ticks[-1] - ticks[-1 - timed]) / timed, end - ticks[-1], units[0]


def _short(config: Timed, loop: str, **changes: object) -> Timed:
    """Shorten a configuration to the steps that are timed and one evaluation on dev."""
    part = getattr(config, loop)
    fewer = {"steps": STEPS + 1} | ({"num_evals": 1} if loop == "tuning" else {})
    return config.model_copy(update={loop: part.model_copy(update=fewer), **changes})


def _kept(unit: Unit, steps: float, worker: Worker) -> float:
    """Estimate the bytes of a unit's prompt and record, with the curve of all its steps."""
    prompt = (worker.home.root / unit.artefact).stat().st_size if unit.artefact else 0
    record = len(json.dumps(unit.config.stored())) + len(json.dumps(unit.result.stored()))
    return prompt + record + 20 * max(0.0, steps - STEPS)


def _stretches(work: Sequence[Work]) -> list[Sequence[Work]]:
    """Split work into ``PLACES`` contiguous parts of about equal length, fewer if it is short."""
    length = ceil(len(work) / PLACES) or 1
    return [work[i : i + length] for i in range(0, len(work), length)]


def _processor() -> str:
    return f"cpu, {torch.get_num_threads()} threads"
