"""Load of the machine while a study runs, as MLflow's pages show it: processor, memory, GPUs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol

from mpt.tracking.tracker import Point, RunKey, Tracker

EVERY = 10.0
"""Seconds between two samples, MLflow's own default."""

SWITCH, INTERVAL = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
"""MLflow's variables: ``false`` turns it off; seconds between two samples."""

_LOG = logging.getLogger("mpt.tracking")


class _Monitor(Protocol):
    """One of MLflow's monitors of a part of the machine."""

    def collect_metrics(self) -> None: ...

    def aggregate_metrics(self) -> Mapping[str, float]: ...

    def clear_metrics(self) -> None: ...


class SystemMetrics:
    """Log the load of this machine to a run, between entering and leaving, from its own thread.

    On a cluster it is the driver's machine. GPUs are sampled where ``nvidia-ml-py`` is installed:
    all that the machine has, whoever uses them.

    Args:
        tracker: receives the points, named as MLflow's own, ``system/...``.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._is_entered, self._ended = False, threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SystemMetrics:
        self._is_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def follow(self, run: RunKey) -> None:
        """Sample for this run from now on, once it is entered, unless MLflow's variable says no."""
        is_off = os.environ.get(SWITCH, "true").lower() in ("false", "0")
        if is_off or not self._is_entered or self._thread is not None:
            return
        self._thread = threading.Thread(target=self._sample, args=(run,), daemon=True)
        self._thread.start()

    def _sample(self, run: RunKey) -> None:
        try:
            every = float(os.environ.get(INTERVAL, EVERY))
            if self._ended.wait(every):
                return
            # imported only now: a short study does not wait for it
            monitors, step = _monitors(), 0
            while not self._ended.wait(every):
                now = time.time_ns() // 1_000_000
                points = [
                    Point(f"system/{name}", value, step, now)
                    for monitor in monitors
                    for name, value in _sampled(monitor).items()
                ]
                self._tracker.metrics(run, points)
                step += 1
        except Exception as error:
            # a machine that cannot be measured is no reason to end a study
            _LOG.warning("the load of this machine is not logged: %s", error)


def _monitors() -> list[_Monitor]:
    """Return MLflow's monitors of what this machine has."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    monitors: list[_Monitor] = [CPUMonitor()]
    # the first value of the processor's load is meaningless
    _sampled(monitors[0])
    # without nvidia-ml-py, or without a GPU
    with suppress(ImportError, RuntimeError):
        monitors.append(GPUMonitor())
    return monitors


def _sampled(monitor: _Monitor) -> Mapping[str, float]:
    monitor.collect_metrics()
    sampled = monitor.aggregate_metrics()
    monitor.clear_metrics()
    return sampled
