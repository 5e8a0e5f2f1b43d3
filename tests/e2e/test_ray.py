"""Sweeps and promotions on Ray clusters of real processes, one of which dies in mid-pack."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from os import environ

import psutil
import pytest
from terminal import STORES, mpt, study_file

pytestmark = pytest.mark.slow

PATIENCE = 600
"""Seconds after which a command has failed."""


@pytest.fixture
def start(repository):
    """Begin a command as a process of its own; it is ended with the test at the latest."""
    begun = []

    def begin(*words, home, leave_out=(), **variables):
        left = {name: value for name, value in environ.items() if name not in STORES}
        kept = {name: value for name, value in left.items() if name not in leave_out}
        process = subprocess.Popen(
            [sys.executable, repository / "cli.py", *words],
            env={**kept, "MPT_HOME": str(home), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def attempts(home):
    """How often each unit is recorded in the ledger."""
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        return dict(ledger.execute("SELECT digest, count(*) FROM mpt_units GROUP BY digest"))


def test_a_machine_dies_in_mid_pack_and_the_promotion_ends_as_on_one(ray_cluster, start, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    study = study_file(tmp_path / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=here).code == 0
    shutil.copytree(here, there)
    swept = attempts(here)
    alone = mpt("promote", "best", "--json", home=here)

    words = ("promote", "best", "--json", "--ray", "auto")
    with ray_cluster.machine() as second:
        promotion = start(*words, home=there, RAY_ADDRESS=ray_cluster.address)
        second.wait_for_a_pack()
        second.die()
        out, err = promotion.communicate(timeout=PATIENCE)

    assert promotion.returncode == 0, err
    assert json.loads(out) == json.loads(alone.out)
    recorded = attempts(there)
    assert set(recorded.values()) == {1}
    assert recorded == attempts(here)
    assert f"{len(recorded) - len(swept)} units computed" in err


@pytest.mark.nightly
def test_a_cluster_of_one_command_stays_on_the_loopback_interface(start, tmp_path):
    study = study_file(tmp_path / "study.yaml", {"trials": 1})
    sweep = start(
        *("sweep", "--study", study, "--json", "--ray", "local"),
        home=tmp_path / "home",
        leave_out=tuple(name for name in environ if name.startswith("RAY_")),
        HOME=str(tmp_path),
    )
    driver, members, ports, tokens = psutil.Process(sweep.pid), set(), set(), set()
    deadline = time.monotonic() + PATIENCE
    while sweep.poll() is None and time.monotonic() < deadline:
        for process in (driver, *driver.children(recursive=True)):
            members.add(process)
            ports |= listening(process)
            tokens |= token(process)
        time.sleep(0.5)
    out, err = sweep.communicate()

    assert sweep.returncode == 0, err
    assert [trial["state"] for trial in json.loads(out)["trials"]] == ["complete"]
    assert len(ports) >= 4
    assert {port.ip for port in ports} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    (made,) = tokens
    assert len(made) == 64, "Ray would take anybody's commands, or keep its token in a file"
    assert not (tmp_path / ".ray").exists()
    assert made not in out + err
    assert not psutil.wait_procs(members, timeout=20)[1], "the cluster has not ended"


def token(process):
    """What a process of Ray's own must be told before it does anything."""
    try:
        found = process.environ() if process.name() in ("gcs_server", "raylet") else {}
    except psutil.Error:
        return set()
    return {found["RAY_AUTH_TOKEN"]} if found.get("RAY_AUTH_MODE") == "token" else set()


def listening(process):
    """Where a process takes connections."""
    try:
        found = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {one.laddr for one in found if one.status == psutil.CONN_LISTEN}
