"""The load of the machine is logged while a run is open, under MLflow's own names."""

from __future__ import annotations

import time

import pytest

from mpt.tracking import system_metrics
from mpt.tracking.system_metrics import INTERVAL, SWITCH, SystemMetrics
from mpt.tracking.tracker import NullTracker, RunKey


class Kept(NullTracker):
    def __init__(self):
        self.points = []

    def metrics(self, run, points):
        self.points += [(run, point) for point in points]


@pytest.fixture
def tracker(monkeypatch):
    monkeypatch.setenv(INTERVAL, "0.01")
    monkeypatch.delenv(SWITCH, raising=False)
    return Kept()


def wait_for(tracker, count):
    until = time.monotonic() + 120
    while len(tracker.points) < count and time.monotonic() < until:
        time.sleep(0.01)


def test_it_samples_until_it_is_left(tracker):
    with SystemMetrics(tracker) as metrics:
        metrics.follow(RunKey("s"))
        metrics.follow(RunKey("other"))
        wait_for(tracker, 6)
    ended = len(tracker.points)
    assert ended >= 6
    assert {run for run, _ in tracker.points} == {"s"}
    names = {point.name for _, point in tracker.points}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names
    steps = [point.step for _, point in tracker.points]
    assert (steps[0], steps) == (0, sorted(steps))
    assert all(point.time_ms for _, point in tracker.points)
    time.sleep(0.05)
    assert len(tracker.points) == ended


def test_nothing_is_sampled_of_a_study_that_is_only_logged_again(tracker):
    SystemMetrics(tracker).follow(RunKey("s"))
    time.sleep(0.05)
    assert tracker.points == []


def test_mlflow_s_variable_turns_it_off(tracker, monkeypatch):
    monkeypatch.setenv(SWITCH, "false")
    with SystemMetrics(tracker) as metrics:
        metrics.follow(RunKey("s"))
        time.sleep(0.05)
    assert tracker.points == []


def test_a_machine_that_cannot_be_measured_is_a_warning(tracker, monkeypatch, caplog):
    def broken():
        raise OSError("no such file: /proc/stat")

    monkeypatch.setattr(system_metrics, "_monitors", broken)
    with SystemMetrics(tracker) as metrics:
        metrics.follow(RunKey("s"))
        until = time.monotonic() + 120
        while not caplog.text and time.monotonic() < until:
            time.sleep(0.01)
    assert "the load of this machine is not logged: no such file" in caplog.text
