"""A Ray cluster of real processes on the loopback interface, and what its machines are doing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PATIENCE = 300
"""Seconds after which a cluster that has not done what a test waits for has failed."""
TESTS = Path(__file__).resolve().parent
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 32,
    "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS))),
}
"""Of test processes: clusters on the loopback interface, whose machines import mpt and tests. Ray
looks at it when it is imported, whoever does so first."""


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster: Ray's daemon on it, and that one's worker processes."""

    node: Any

    def wait_for_a_pack(self) -> psutil.Process:
        """The process that computes a pack, held still in the middle of it."""
        daemon = psutil.Process(self.node.all_processes["raylet"][0].process.pid)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for child in daemon.children(recursive=True):
                if _computes(child):
                    child.suspend()
                    if _computes(child):
                        return child
                    child.resume()
            time.sleep(0.01)
        raise AssertionError(f"no pack was begun within {PATIENCE} s")

    def die(self) -> None:
        """SIGKILL for every process of the machine at once, as if its power were cut."""
        daemon = psutil.Process(self.node.all_processes["raylet"][0].process.pid)
        for process in (daemon, *daemon.children(recursive=True)):
            process.send_signal(signal.SIGKILL)


def _computes(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[:1] == ["ray::compute_pack"]
    except psutil.Error:
        return False


class Cluster:
    """A head with one CPU, and machines that are added."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address: str = cluster.address

    @contextmanager
    def machine(self, cpus: int = 1, gpus: int = 0) -> Iterator[Machine]:
        """One more machine, for as long as it is needed or lives; Ray believes in its GPUs."""
        node = self._cluster.add_node(num_cpus=cpus, num_gpus=gpus)
        try:
            yield Machine(node)
        finally:
            self._cluster.remove_node(node, allow_graceful=False)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster in the ``ENVIRONMENT``, which was set before Ray was imported."""
    from ray.cluster_utils import Cluster as RayCluster

    made = RayCluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        yield Cluster(made)
    finally:
        made.shutdown()
