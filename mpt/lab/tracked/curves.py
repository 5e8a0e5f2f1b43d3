"""Curves of meta-trainings and of downstream cells as points of a tracker, with their times."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import fmean
from typing import Any

from mpt.config import RunConfig
from mpt.lab.run import BASELINE, FULL, EvaluatedCell
from mpt.store.results import CellResult
from mpt.store.unit import Unit
from mpt.tracking.tracker import Point, RunKey, Tracker

POINTS = 200
"""Points of a curve at most, each a mean over several steps, to limit the size of databases."""

EVERY = 5.0
"""Seconds between two batches of points of a meta-training that is running."""


class LiveCurves:
    """Log the losses of meta-trainings while they run, as the points that ``loss_curve`` gives.

    What is not logged when a run ends is logged with its result.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._steps: dict[str, int] = {}
        self._runs: dict[str, list[RunKey]] = {}
        self._waiting: dict[str, list[Point]] = {}
        self._last = time.monotonic()

    def follow(self, config: RunConfig, run: RunKey) -> None:
        """Log the losses of a meta-training to ``run`` from now on."""
        self._steps[config.digest] = _stretch(config)
        self._runs.setdefault(config.digest, []).append(run)

    def __call__(self, digest: str, losses: Sequence[float]) -> None:
        """Take the losses so far of a meta-training; see ``mpt.engine.learn.OnLosses``."""
        if digest in self._runs and len(losses) % self._steps[digest] == 0:
            value = fmean(losses[-self._steps[digest] :])
            point = Point("loss", value, len(losses), time.time_ns() // 1_000_000)
            self._waiting.setdefault(digest, []).append(point)
        if self._waiting and time.monotonic() - self._last >= EVERY:
            self._flush()

    def _flush(self) -> None:
        for digest, points in self._waiting.items():
            for run in self._runs[digest]:
                self._tracker.metrics(run, points)
        self._waiting.clear()
        self._last = time.monotonic()

    def flush(self, config: RunConfig) -> None:
        """Log the points of a meta-training that wait, and follow it no longer."""
        points = self._waiting.pop(config.digest, [])
        for run in self._runs.pop(config.digest, []):
            self._tracker.metrics(run, points)


def loss_curve(unit: Unit, config: RunConfig) -> list[Point]:
    """Return the loss curve of a meta-training, thinned to ``POINTS`` means."""
    curve, stretch = unit.curve, _stretch(config)
    stretches = [curve[i : i + stretch] for i in range(0, len(curve), stretch)]
    ends = [min((i + 1) * stretch, len(curve)) for i in range(len(stretches))]
    return [
        Point("loss", fmean(losses), end, _time_of(unit, end))
        for losses, end in zip(stretches, ends, strict=True)
    ]


def dev_curves(evaluated: Sequence[EvaluatedCell]) -> list[Point]:
    """Return the mean dev score of the method's cells by evaluation.

    One curve per target task, and ``dev/mean``: their mean where all tasks are evaluated.
    """
    devs: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for cell_result in evaluated:
        unit, method = cell_result.unit, cell_result.eval_target.method
        if isinstance(unit.result, CellResult) and method not in (BASELINE, FULL):
            for step, dev in unit.result.dev_evals:
                devs.setdefault((cell_result.cell.task, step), []).append(
                    (dev, _time_of(unit, step))
                )
    by_task = {
        (task, step): Point(
            named("dev", task), fmean(dev for dev, _ in at), step, max(ms for _, ms in at)
        )
        for (task, step), at in devs.items()
    }
    return [*by_task.values(), *_mean_curve(by_task)]


def _mean_curve(by_task: Mapping[tuple[str, int], Point]) -> Iterator[Point]:
    tasks = sorted({task for task, _ in by_task})
    for step in sorted({step for _, step in by_task}):
        points = [by_task[task, step] for task in tasks if (task, step) in by_task]
        if len(points) == len(tasks):
            value = fmean(point.value for point in points)
            yield Point("dev/mean", value, step, max(point.time_ms for point in points))


def at(units: Sequence[Unit], points: Sequence[Point]) -> list[Point]:
    """Date the points by the last of the units, so that they are recognised when logged again."""
    time_ms = ended(units)
    return [replace(point, time_ms=time_ms) for point in points]


def began(units: Sequence[Unit]) -> int:
    """Return about when the first of the units began, in milliseconds since 1970."""
    return min(_time_of(unit, 0) for unit in units)


def ended(units: Sequence[Unit]) -> int:
    """Return when the last of the units ended, in milliseconds since 1970."""
    return max(_milliseconds(unit) for unit in units)


def named(metric: str, what: str) -> str:
    """Return a metric name that MLflow accepts: letters, digits and a few signs, no ``>``."""
    allowed = re.sub(r"[^\w./ :-]", "_", what.replace("->", " to "))
    return f"{metric}/{allowed}"


def flat(values: Mapping[str, Any], under: str = "") -> dict[str, object]:
    """Flatten nested settings to keys such as ``outer.lr``, without unset values."""
    flattened: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flattened |= flat(value, f"{under}{key}.")
        elif value is not None:
            flattened[f"{under}{key}"] = value
    return flattened


def _stretch(config: RunConfig) -> int:
    """Return how many updates share a point of the loss curve."""
    return max(1, -(-config.outer.steps // POINTS))


def _time_of(unit: Unit, step: int) -> int:
    """Return about when a unit took a step, in milliseconds since 1970.

    A unit records when it ended and its share of its pack's wall time; its steps are taken to be
    evenly spaced.
    """
    numerics = unit.result.numerics
    runs = (numerics and numerics.pack) or 1
    left = 1 - step / max(1, len(unit.curve), step)
    return _milliseconds(unit, timedelta(seconds=unit.seconds * runs * left))


def _milliseconds(unit: Unit, before: timedelta = timedelta()) -> int:
    return round((unit.created - before).timestamp() * 1000)
