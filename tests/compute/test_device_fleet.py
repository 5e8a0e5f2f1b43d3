"""Packs in processes of this machine: what happens when one is killed, called off or orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import psutil
import pytest
import torch
from jobs import die, die_once, process, total, wait

from mpt.compute.device_fleet import DeviceFleet
from mpt.compute.open_fleet import open_fleet
from mpt.engine.device import known_devices
from mpt.errors import ConfigError, MptError

PATIENCE = 120


def ignore(steps):
    """Nobody listens."""


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def fleet(warnings):
    with DeviceFleet(["cpu", "cpu"], warnings.append) as fleet:
        yield fleet


@pytest.mark.slow
def test_every_device_has_one_process_for_all_of_its_packs(fleet):
    assert fleet.slots == 2
    processes = {*fleet.map(process, [[1]] * 6, ignore), *fleet.map(process, [[1]] * 6, ignore)}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.slow
def test_a_pack_whose_process_is_killed_is_computed_again(fleet, warnings, tmp_path):
    steps = []
    packs = [[1, 2], [3], [4]]
    results = fleet.map(partial(die_once, tmp_path / "died"), packs, steps.append)
    assert sorted(results) == [3, 3, 4]
    assert sum(steps) == 4
    assert warnings == ["the process on cpu was lost; its pack is computed again"]


@pytest.mark.slow
def test_a_pack_that_always_kills_its_process_is_given_up(fleet):
    with pytest.raises(
        MptError, match="a pack was lost 4 times with its process on cpu; a machine"
    ):
        list(fleet.map(die, [[1]], ignore))
    assert list(fleet.map(total, [[1, 2]], ignore)) == [3]


@pytest.mark.slow
def test_packs_that_are_called_off_have_time_to_save(fleet, tmp_path):
    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    waiter = threading.Thread(target=interrupt)
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        list(fleet.map(partial(wait, tmp_path), [[1]], ignore))
    waiter.join()
    assert (tmp_path / "saved").exists()
    assert list(fleet.map(total, [[1, 2]], ignore)) == [3]


DRIVER = """
import sys
from jobs import process, wait
from functools import partial
from pathlib import Path
from mpt.compute.device_fleet import DeviceFleet
if __name__ == "__main__":
    with DeviceFleet(["cpu", "cpu"], print) as fleet:
        print(*fleet.map(process, [[1], [1]], print), flush=True)
        list(fleet.map(partial(wait, Path(sys.argv[1])), [[1]], print))
"""


@pytest.mark.slow
def test_processes_end_with_their_driver(tmp_path):
    file = tmp_path / "driver.py"
    file.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    driver = subprocess.Popen(
        [sys.executable, str(file), str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    line = ""
    while not line.strip().replace(" ", "").isdigit() or " " not in line.strip():
        line = driver.stdout.readline()
    children = [psutil.Process(int(pid)) for pid in {*line.split()}]
    driver.kill()
    driver.wait()
    driver.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive


@pytest.fixture
def four_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def test_devices_are_all_of_them_or_those_that_are_named(four_gpus):
    assert known_devices(None, "cuda:1") == ()
    assert known_devices("auto", None) == ("cuda:0", "cuda:1", "cuda:2", "cuda:3")
    assert known_devices("0, 2", None) == ("cuda:0", "cuda:2")


@pytest.mark.parametrize(
    ("names", "device", "line"),
    [
        ("0,4", None, "torch sees 4 CUDA devices"),
        ("0,0", None, "give auto, or numbers of GPUs by commas"),
        ("cuda:1", None, "give auto, or numbers of GPUs by commas"),
        ("0", "cpu", "--devices 0 with --device cpu; give one of them"),
    ],
)
def test_devices_that_are_not_there_are_refused(four_gpus, names, device, line):
    with pytest.raises(ConfigError, match=line):
        known_devices(names, device)


@pytest.mark.parametrize(
    ("device", "devices", "lines"),
    [
        (None, [], ["one of 4 GPUs is used; give --devices auto for all of them"]),
        ("cuda:1", [], []),
        (None, ["cuda:1"], []),
    ],
)
def test_gpus_that_stand_idle_are_told_of(four_gpus, device, devices, lines):
    said = []
    with open_fleet(None, None, device, said.append, devices):
        pass
    assert said == lines


def test_one_device_needs_no_other_process_and_ray_no_devices():
    with open_fleet(None, None, None, print, ["cuda:1"]) as fleet:
        assert not isinstance(fleet, DeviceFleet)
    with open_fleet(None, None, None, print, ["cuda:1", "cuda:0"]) as fleet:
        assert isinstance(fleet, DeviceFleet)
    with (
        pytest.raises(ConfigError, match="leave --devices out"),
        open_fleet("auto", None, None, print, ["cuda:0"]),
    ):
        pass
