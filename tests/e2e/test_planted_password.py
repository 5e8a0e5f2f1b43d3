"""A password planted in every address is found nowhere in what is written or said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import STORES, study_file

PLANTED = "hunter2-planted"

pytestmark = pytest.mark.slow


def arguments(process: subprocess.Popen) -> bytes:
    """The words of a process as every user of the machine sees them."""
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_planted_password_is_found_nowhere(postgres, repository, tmp_path):
    url = postgres.url("ledger")
    postgres.make("ledger", "studies")
    secrets = (PLANTED, url.split(":")[2].split("@")[0])
    home, study = tmp_path / "home", study_file(tmp_path / "study.yaml")
    kept = {name: value for name, value in os.environ.items() if name not in STORES}
    environment = {
        **kept,
        "MPT_HOME": str(home),
        "MPT_LEDGER_URL": url,
        "MPT_STUDIES_URL": postgres.url("studies"),
        "MPT_TRACKING_URI": f"http://user:{PLANTED}@127.0.0.1:9",
        "MLFLOW_TRACKING_PASSWORD": PLANTED,
        "RAY_ADDRESS": f"ray://user:{PLANTED}@127.0.0.1:9",
        "OMP_NUM_THREADS": "1",
    }
    wrong = {"MPT_LEDGER_URL": url.replace(secrets[1], PLANTED), "MPT_STUDIES_URL": "nonsense"}
    commands = [
        (["sweep", "--study", str(study)], {}),
        (["sync"], {}),
        (["studies", "list"], {}),
        (["doctor"], {}),
        (["ui"], {}),
        (["sweep", "--study", str(study)], wrong),
        (["doctor"], wrong),
    ]
    for words, changes in commands:
        process = subprocess.Popen(
            [sys.executable, str(repository / "cli.py"), *words],
            env={**environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        seen = arguments(process)
        out, err = process.communicate(timeout=200)
        assert "Traceback" not in err, err
        assert out or err
        for secret in secrets:
            assert secret not in out + err, words
            assert secret.encode() not in seen
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("outbox" in path.parts for path in written), "runs wait for the server"
    for path in written:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in data], path
    for name in ("ledger", "studies"):
        dump = subprocess.run(
            [postgres.programs / "pg_dump", postgres.url(name).replace("+psycopg", "")],
            capture_output=True,
            check=True,
        ).stdout
        assert b"CREATE TABLE" in dump
        assert not [secret for secret in secrets if secret.encode() in dump]
