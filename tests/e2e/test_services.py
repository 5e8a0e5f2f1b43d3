"""The commands that `mpt up --print` prints, run: PostgreSQL, MLflow with its lock, Ray."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow_server import answers
from postgres import Postgres, find
from terminal import STORES, mpt, study_file

from mpt.compute import services

pytestmark = pytest.mark.slow

RAY = shutil.which("ray", path=Path(sys.executable).parent)
SECRET = "a p@ss:word/of %the test"


@dataclass(frozen=True)
class Running:
    """The services, and what the script exports for mpt."""

    folder: Path
    environment: dict[str, str]

    def mpt(self, *words: str | Path, home: Path, **changes: str):
        return mpt(*words, home=home, **{**self.environment, **changes})


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """The script's own servers on free ports, by a user who may run PostgreSQL."""
    pytest.importorskip("flask_wtf", reason="needs pip install 'mpt[auth]'")
    # not pytest's folder: another user may not enter that one
    folder = Path(tempfile.mkdtemp(prefix="mpt-services-"))
    found = find(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", _text(folder, found)],
            cwd=folder,
            env=_environment(found.programs, folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        told = folder / "root" / "environment"
        wait(lambda: told.exists(), process, folder / "log")
        lines = told.read_text().split("\0")
        exported = dict(line.split("=", 1) for line in lines if "=" in line)
        uri = exported["MPT_TRACKING_URI"]
        wait(lambda: answers(f"{uri}/health"), process, folder / "root" / "mlflow.log")
        names = {*services.client_environment(), *services.SECRETS}
        yield Running(folder, {name: exported[name] for name in names})
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        stop = [str(found.programs / "pg_ctl"), f"--pgdata={folder}/root/postgres", "stop"]
        subprocess.run(stop, user=found.user, cwd=folder, check=False, capture_output=True)
        shutil.rmtree(folder)


def wait(ready, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 180
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _text(folder: Path, found: Postgres) -> str:
    """The script, on free ports; it stays in the foreground, so that it can be stopped whole."""
    text = services.script(folder / "root")
    for port in (services.POSTGRES, services.MLFLOW, services.RAY):
        text = text.replace(str(port), str(_free()))
    text = text.replace("--disable-usage-stats", "--disable-usage-stats --block &")
    # other clusters of this machine have the ports that Ray takes when it is not told
    text = text.replace("--block", f"--block --ray-client-server-port={_free()}")
    text += "\nenv -0 > root/new; mv root/new root/environment; wait\n"
    if not RAY:
        text = f"ray() {{ :; }}\n{text}"
    if found.user is None:
        return text
    # root may not run PostgreSQL, and the one who may cannot read a pipe of root's
    (folder / "root").mkdir()
    (folder / "password").write_text(SECRET)
    for path in (folder, folder / "root", folder / "password"):
        os.chown(path, found.user, -1)
    as_user = f"setpriv --reuid={found.user} --clear-groups {found.programs}"
    functions = [f'{name}() {{ {as_user}/{name} "$@"; }}\n' for name in ("initdb", "pg_ctl")]
    return "".join([*functions, text.replace("<(printenv PGPASSWORD)", f"{folder}/password")])


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _environment(programs: Path, folder: Path) -> dict[str, str]:
    # the settings of this test process would hide what the script leaves out
    left = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    kept = {name: value for name, value in left.items() if name not in STORES}
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), kept["PATH"]])
    secrets = dict.fromkeys(services.SECRETS, SECRET)
    return {**kept, **secrets, "PATH": path, "HOME": str(folder)}


def findings(running: Running, home: Path, **changes: str) -> dict[str, dict]:
    said = running.mpt("doctor", "--json", home=home, **changes)
    return {one["name"]: one for one in json.loads(said.out)}


def test_mpt_finds_all_of_them(running, tmp_path):
    found = findings(running, tmp_path / "home")
    for name in ("ledger", "studies", "tracking", "separate stores"):
        assert found[name]["state"] == "ok", found[name]
    if RAY:
        assert found["ray"]["state"] == "ok", found["ray"]


def sockets(running: Running) -> dict[str, set[str]]:
    """Where the processes of the script listen, by name, as ``ss`` tells it."""
    found: dict[str, set[str]] = {}
    ours = {str(process.pid) for process in psutil.process_iter() if is_of(process, running.folder)}
    told = subprocess.run(["ss", "-H", "-ltnp"], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        for name, pid in re.findall(r'\("([^"]+)",pid=(\d+)', line):
            if pid in ours:
                found.setdefault(name, set()).add(line.split()[3])
    return found


def is_of(process: psutil.Process, folder: Path) -> bool:
    """Whether the script began it: the home folder is handed on to every child."""
    try:
        return process.environ().get("HOME") == str(folder)
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def listening(running) -> dict[str, set[str]]:
    """Where they listen, once a pack has been on Ray, whose workers take ports as well."""
    if shutil.which("ss") is None:
        pytest.skip("needs ss, of iproute2")
    if RAY:
        environment = {**_environment(Path("/"), running.folder), **running.environment}
        driver = [sys.executable, "-c", _DRIVER]
        assert subprocess.run(driver, env=environment, check=True, timeout=120)
    return sockets(running)


_DRIVER = """
import ray
from mpt.compute.ray_cluster import joined
with joined("auto"):
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
"""


def test_every_socket_is_on_the_loopback_interface(listening):
    wanted = {"postgres", *({"gcs_server", "raylet"} if RAY else ())}
    assert wanted <= set(listening)
    every = set().union(*listening.values())
    assert len(every) >= (7 if RAY else 2)
    inside = re.compile(r"127\.0\.0\.1:\d+|\[::ffff:127\.0\.0\.1\]:\d+|\[::1\]:\d+")
    assert not [place for place in every if not inside.fullmatch(place)]


def knock(namespace: str, ports: list[str]) -> list[str]:
    """Those of this machine's ports that take a connection from there."""
    script = """
import socket, sys
for port in sys.argv[1:]:
    try:
        socket.create_connection(("198.51.100.1", int(port)), 2).close()
        print(port)
    except OSError:
        pass
"""
    words = ["ip", "netns", "exec", namespace, sys.executable, "-c", script, *ports]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_no_port_is_reached_from_another_network_namespace(listening):
    """A neighbour with a cable to this machine, as a container or another host has one."""
    name = f"mpt{os.getpid() % 100000}"
    here, there = f"{name}a", f"{name}b"
    lines = [
        f"ip netns add {name}",
        f"ip link add {here} type veth peer name {there} netns {name}",
        f"ip addr add 198.51.100.1/30 dev {here}",
        f"ip link set {here} up",
        f"ip -n {name} addr add 198.51.100.2/30 dev {there}",
        f"ip -n {name} link set {there} up",
    ]
    try:
        for line in lines:
            made = subprocess.run(line.split(), capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"`{line}`: {made.stderr.strip()}")
        ports = sorted({place.rpartition(":")[2] for place in set().union(*listening.values())})
        with socket.create_server(("198.51.100.1", 0)) as open_to_all:
            probe = str(open_to_all.getsockname()[1])
            reached = knock(name, [probe, *ports])
        assert reached == [probe]
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", here], capture_output=True, check=False)


def test_who_has_no_token_computes_nothing_on_ray(running):
    if not RAY:
        pytest.skip("needs Ray: pip install -e '.[ray]'")
    environment = {**_environment(Path("/"), running.folder), **running.environment}
    for wrong in ({"RAY_AUTH_TOKEN": "0" * 32}, {"RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": ""}):
        driver = subprocess.run(
            [sys.executable, "-c", _DRIVER],
            env={**environment, **wrong},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert driver.returncode == 1
        assert "cannot join the Ray cluster" in driver.stderr
        assert "its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)" in driver.stderr


def test_who_may_log_in_is_written_where_others_cannot_read(running):
    root = running.folder / "root"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert (root / "basic_auth.db").stat().st_size > 0
    assert stat.S_IMODE((root / "basic_auth.db").stat().st_mode) == 0o600


def test_the_wrong_password_and_none_at_all_are_told_with_what_to_do(running, tmp_path):
    for wrong in ("not the password", ""):
        found = findings(running, tmp_path / "home", MLFLOW_TRACKING_PASSWORD=wrong)
        assert found["tracking"]["state"] == "fail"
        assert "401" in found["tracking"]["what"]
        assert "set MLFLOW_TRACKING_USERNAME and" in found["tracking"]["fix"]
    found = findings(running, tmp_path / "home", PGPASSWORD="not the password")
    assert found["ledger"]["state"] == found["studies"]["state"] == "fail"


def test_a_name_that_the_server_does_not_answer_to_is_told(running, tmp_path):
    uri = running.environment["MPT_TRACKING_URI"].replace("127.0.0.1", "127.0.0.2")
    found = findings(running, tmp_path / "home", MPT_TRACKING_URI=uri)
    assert found["tracking"]["state"] == "fail"


def test_a_sweep_with_a_wrong_password_trains_and_is_sent_whole_when_it_is_mended(
    running, tmp_path, monkeypatch
):
    monkeypatch.setattr("mpt.tracking.uploader.GRACE", 1.0)
    home, study = tmp_path / "home", study_file(tmp_path / "study.yaml")
    wrong = {"MLFLOW_TRACKING_PASSWORD": "not the password"}
    swept = running.mpt("sweep", "--study", study, home=home, **wrong)
    assert swept.code == 0, swept.err
    assert "Best: trial" in swept.out
    told = [line for line in swept.err.splitlines() if "401" in line]
    assert len(told) == 1, "an outage is told once"
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in told[0]
    assert "training continues, and its tracking records are kept in" in told[0]
    failed = running.mpt("sync", home=home, **wrong)
    assert failed.code == 1
    assert "0 records sent" in failed.out
    (waiting,) = (line for line in swept.err.splitlines() if "tracking records wait in" in line)
    count = waiting.split()[1]
    assert running.mpt("sync", home=home).out == f"{count} records sent, 0 left\n"
    assert running.mpt("sync", home=home).out == "0 records sent, 0 left\n"
    is_whole(running, monkeypatch)
    for path in home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def is_whole(running: Running, monkeypatch) -> None:
    """The server holds the study's run and its trials', each finished, each point once."""
    from mlflow import MlflowClient

    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(running.environment["MPT_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mpt").experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["small", "trial-0", "trial-1", "trial-2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        for metric in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, metric)]
            assert len(steps) == len(set(steps)), metric
    trial = next(run.info.run_id for run in runs if run.info.run_name == "trial-0")
    files = {file.path for file in client.list_artifacts(trial)}
    assert {"config.yaml", "cells.csv", "prompt.safetensors"} <= files
