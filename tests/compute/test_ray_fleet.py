"""Packs on a real Ray cluster: processes that die, memory that is too small, machines too weak."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import nullcontext
from functools import partial

import pytest
from jobs import card, die, die_once, narrow, process, total, wait
from machines import PATIENCE
from terminal import study_file

from mpt.compute.fleet import LocalFleet
from mpt.compute.worker import Worker
from mpt.errors import ConfigError, MptError
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import resolve

pytestmark = pytest.mark.slow


def ignore(steps):
    """Nobody listens."""


def test_a_pack_whose_process_is_killed_is_computed_again(ray_fleet, tmp_path):
    steps = []
    results = ray_fleet.map(partial(die_once, tmp_path / "died"), [[1, 2], [3]], steps.append)
    assert sorted(results) == [3, 3]
    assert sum(steps) == 3
    assert (tmp_path / "died").exists()


def test_a_pack_that_always_kills_its_process_is_given_up(ray_fleet):
    with pytest.raises(MptError, match=r"a pack was lost 4 times on the Ray cluster \(.+\); see"):
        list(ray_fleet.map(die, [[1]], ignore))
    assert list(ray_fleet.map(total, [[1, 2]], ignore)) == [3]


class Steps:
    """Progress that counts."""

    def __init__(self):
        self.total, self.told, self.said = 0, 0, []

    def stage(self, title, total):
        self.total += total
        return nullcontext(self._advance)

    def _advance(self, steps):
        self.told += steps

    def say(self, line):
        self.said.append(line)


def test_packs_too_large_for_a_machine_are_halved_with_the_same_results(
    ray_fleet, tmp_path, monkeypatch
):
    study = resolve(study_file(tmp_path / "study.yaml"), {})
    found = []
    for name, fleet in (("here", LocalFleet()), ("there", ray_fleet)):
        if fleet is ray_fleet:
            monkeypatch.setattr(Worker, "tune", narrow)
        home = Home.find({"MPT_HOME": str(tmp_path / name)}).open()
        worker, progress = Worker(open_gym(study.gym), study.backbone, home, "cpu"), Steps()
        concrete = plan(study, worker)
        with Ledger(home.ledger_url) as ledger:
            lab = Lab(worker, ledger, fleet, progress)
            evaluated = lab.evaluate_cells(
                [concrete.baseline], concrete.eval_protocol, title="x", pack=4
            )
        assert progress.told == progress.total == 16
        found.append([one.unit.curve for one in evaluated])
    assert progress.said[0] == "warning: out of memory with 4 runs; trying 2"
    for here, there in zip(*found, strict=True):
        assert there == pytest.approx(here, rel=1e-6)


def test_a_share_that_no_machine_has_is_refused(ray_fleet):
    from mpt.compute.ray_cluster import share

    assert share(None, None).gpus == 0
    with pytest.raises(ConfigError) as refusal:
        share(0.5, None)
    assert str(refusal.value) == (
        "a pack takes 1 CPU and 0.5 GPUs, which no machine of the Ray cluster has (they have: 1 "
        "CPUs and 0 GPUs); add a machine that does with `ray start`, or change --gpus-per-pack or "
        "--device"
    )


def wait_until_alone(fleet):
    """A cluster takes a while to believe that a machine is gone."""
    deadline = time.monotonic() + PATIENCE
    while fleet.slots > 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_machines_that_come_and_go_change_the_slots_and_are_told(ray_cluster, ray_fleet):
    from mpt.compute.ray_cluster import share
    from mpt.compute.ray_fleet import RayFleet

    told = []
    fleet = RayFleet(share(None, None), told.append)
    assert fleet.slots == 1
    with ray_cluster.machine(cpus=2):
        assert fleet.slots == 3
    wait_until_alone(fleet)
    assert told == [
        "the Ray cluster has lost a machine: room for 1 packs at a time, after 3; what it was "
        "computing is computed again"
    ]


def test_packs_share_gpus_where_there_are_any(ray_cluster, ray_fleet):
    from mpt.compute.ray_cluster import share
    from mpt.compute.ray_fleet import RayFleet

    with ray_cluster.machine(cpus=8, gpus=2):
        assert share(None, None).gpus == 1
        assert share(None, "cpu").gpus == 0
        halves = RayFleet(share(0.5, None), print)
        assert [RayFleet(share(gpus, None), print).slots for gpus in (2, 1, 0.3)] == [1, 2, 6]
        assert halves.slots == 4
        assert set(halves.map(card, [[1]] * 8, ignore)) <= {"0", "1"}


def test_a_process_with_a_gpu_computes_many_packs(ray_cluster, ray_fleet):
    """And so loads the model once."""
    from mpt.compute.ray_cluster import share
    from mpt.compute.ray_fleet import RayFleet

    with ray_cluster.machine(cpus=1, gpus=1):
        fleet = RayFleet(share(1, None), print)
        assert len(set(fleet.map(process, [[1]] * 6, ignore))) == 1


def test_packs_that_are_called_off_have_time_to_save(ray_fleet, tmp_path):
    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    wait_until_alone(ray_fleet)
    waiter = threading.Thread(target=interrupt)
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        list(ray_fleet.map(partial(wait, tmp_path), [[1]], ignore))
    waiter.join()
    assert (tmp_path / "saved").exists()
