"""What an outage of the MLflow server costs a sweep: wall time with and without one, in pairs.

``python benchmarks/outage.py --pairs 3`` runs pairs of sweeps on the embedded gym, or those that
further options of ``mpt sweep`` name, each with a home and a real MLflow server of its own. In one
sweep of a pair the server is killed as soon as it holds the study's experiment, and started again
when the sweep has ended; ``mpt sync`` then sends the rest. Prints the seconds of both, whole
processes from start to end, and their ratio; the machine should have nothing else to do.

How long the same training takes differs between any two sweeps by more than an outage costs, so
that the seconds beside training (start, search, records, waiting for the server at the end) are
told apart: by what part of the steady sweep they grow is the last figure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from mpt.store.ledger import Ledger

CLI = Path(__file__).resolve().parent.parent / "cli.py"


def main() -> None:
    """Print a line per pair, and the ratio of all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=3)
    chosen, words = options.parse_known_args()
    ratios, growths = [], []
    for pair in range(chosen.pairs):
        # which of the two comes first changes from pair to pair
        order = (False, True) if pair % 2 == 0 else (True, False)
        spent = {has_outage: seconds(words, has_outage) for has_outage in order}
        (steady, beside), (outage, beside_outage) = spent[False], spent[True]
        ratios.append(outage / steady)
        growths.append(100 * (beside_outage - beside) / steady)
        print(
            f"steady {steady:.1f} s, {beside:.1f} beside training; outage {outage:.1f} s, "
            f"{beside_outage:.1f} beside training: {ratios[-1]:.3f}, {growths[-1]:+.2f} %",
            flush=True,
        )
    print(
        f"ratio {np.median(ratios):.3f}, beside training {np.median(growths):+.2f} % of the sweep "
        f"(medians of {len(ratios)} pairs)"
    )


def seconds(words: list[str], has_outage: bool) -> tuple[float, float]:
    """Wall time of one sweep, and how much of it was not training.

    Afterwards the server must hold every trial, ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), _free()
        uri = f"http://127.0.0.1:{port}"
        server = _serve(home, port)
        environment = {**os.environ, "MPT_HOME": str(home / "home"), "MPT_TRACKING_URI": uri}
        try:
            began = time.monotonic()
            sweep = subprocess.Popen([sys.executable, CLI, "sweep", *words], env=environment)
            while not _runs(uri):  # in both, as looking takes the sweep's cores
                time.sleep(1.0)
            if has_outage:
                _stop(server)
            assert sweep.wait() == 0
            spent = time.monotonic() - began
            if has_outage:
                server = _serve(home, port)
            subprocess.run([sys.executable, CLI, "sync"], env=environment, check=True)
            asked = [sys.executable, CLI, "studies", "list", "--json"]
            (study,) = json.loads(subprocess.check_output(asked, env=environment))["studies"]
            ended = [run for run in _runs(uri) if run.info.status in ("FINISHED", "KILLED")]
            assert len(ended) == len(study["trials"]) + 1, f"{len(ended)} runs on the server"
            with Ledger(f"sqlite:///{home / 'home' / 'ledger.db'}") as ledger:
                return spent, spent - sum(unit.seconds for unit in ledger.units())
        finally:
            _stop(server)


def _runs(uri: str) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name("mpt")
    return list(client.search_runs([found.experiment_id])) if found else []


def _serve(home: Path, port: int) -> subprocess.Popen:
    """A server that answers."""
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{home}/server.db"]
    words += ["--artifacts-destination", str(home / "files")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (home / "server.log").open("ab") as log:
        command = [sys.executable, "-m", "mlflow", *words]
        environment = {**os.environ, **quiet}
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server


def _stop(server: subprocess.Popen) -> None:
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
