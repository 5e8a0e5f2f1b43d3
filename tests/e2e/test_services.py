"""The commands that `mpt up --print` prints, run: PostgreSQL, MLflow with its lock, Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow_server import answers
from postgres import Postgres, find
from terminal import STORES, mpt, study_file

from mpt.lab import services

pytestmark = pytest.mark.slow

RAY = shutil.which("ray", path=Path(sys.executable).parent)
SECRET = "a p@ss:word/of %the test"


@dataclass(frozen=True)
class Running:
    """The services, and what the script exports for mpt."""

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
        yield Running({name: exported[name] for name in names})
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
    kept = {name: value for name, value in os.environ.items() if name not in STORES}
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
    monkeypatch.setattr("mpt.lab.shipper.GRACE", 1.0)
    home, study = tmp_path / "home", study_file(tmp_path / "study.yaml")
    wrong = {"MLFLOW_TRACKING_PASSWORD": "not the password"}
    swept = running.mpt("sweep", "--study", study, home=home, **wrong)
    assert swept.code == 0, swept.err
    assert "Best: trial" in swept.out
    told = [line for line in swept.err.splitlines() if "401" in line]
    assert len(told) == 1, "an outage is told once"
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in told[0]
    assert "training goes on, records wait in" in told[0]
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
    assert sorted(run.info.run_name for run in runs) == ["small", "trial-1", "trial-2", "trial-3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        for metric in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, metric)]
            assert len(steps) == len(set(steps)), metric
    trial = next(run.info.run_id for run in runs if run.info.run_name == "trial-1")
    files = {file.path for file in client.list_artifacts(trial)}
    assert {"config.yaml", "cells.csv", "prompt.safetensors"} <= files
