"""What tracking costs a sweep: a local MLflow server against no tracker, in one run.

    python benchmarks/tracking_overhead.py [--trials 4] [--pairs 2]

Runs the default sweep on the embedded gym and backbone in turn with NullTracker and with
MlflowTracker on a server of its own, each in a fresh folder, each pair in the other order than the
one before, after one short sweep that warms up. The clock runs from the first ask until the tracker
is closed, so that waiting for unsent records counts. Prints JSON: seconds of every sweep, how many
of them were spent computing packs, the overhead of each pair and their median, in percent.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from mpt.compute.fleet import LocalFleet
from mpt.compute.worker import Worker
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.lab.sweep import sweep
from mpt.lab.tracked.projection import Projection
from mpt.lab.tracked.run_facts import data_sets
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study import Study
from mpt.study.study_file import resolve
from mpt.tracking.mlflow_tracker import MlflowTracker
from mpt.tracking.tracker import NullTracker


class TimedFleet(LocalFleet):
    """Adds up the seconds in which packs are computed."""

    computing = 0.0

    def map(self, job, packs, on_step):
        """See ``Fleet.map``."""
        for pack in packs:
            began = time.perf_counter()
            found = job(pack, on_step)
            self.computing += time.perf_counter() - began
            yield found


def main() -> None:
    """Warm up, run the pairs, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=2)
    given = parser.parse_args()
    # the server is ended too when this is told to stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    study = resolve(None, {"method": "reptile", "trials": given.trials})
    with TemporaryDirectory(prefix="mpt-overhead-") as folder, server(Path(folder)) as uri:
        timed_sweep(study.model_copy(update={"trials": 1}), Path(folder) / "warm", uri)
        pairs = []
        for number in range(given.pairs):
            kinds = ["null", "mlflow"] if number % 2 == 0 else ["mlflow", "null"]
            homes = {kind: Path(folder) / f"{kind}-{number}" for kind in kinds}
            pairs.append(
                {k: timed_sweep(study, homes[k], uri if k == "mlflow" else "") for k in kinds}
            )
    for pair in pairs:
        wall, bare = pair["mlflow"]["seconds"], pair["null"]["seconds"]
        pair["overhead_percent"] = round(100 * (wall - bare) / bare, 2)
    meta_runs = [100 * (1 - p["mlflow"]["computing"] / p["mlflow"]["seconds"]) for p in pairs]
    found = {
        "trials": given.trials,
        "pairs": pairs,
        "overhead_percent": median(pair["overhead_percent"] for pair in pairs),
        "not_computing_percent": round(median(meta_runs), 2),
    }
    print(json.dumps(found, indent=2))


def timed_sweep(study: Study, folder: Path, uri: str) -> dict[str, float]:
    """One sweep from nothing; with MLflow if there is a server."""
    home = Home.find({"MPT_HOME": str(folder)}).open()
    worker, fleet = Worker(open_gym(study.gym), study.backbone, home, "cpu"), TimedFleet()
    concrete = plan(study, worker)  # reads every row and loads the backbone
    began = time.perf_counter()
    opened = MlflowTracker(uri, "overhead", home) if uri else NullTracker()
    with Ledger(home.ledger_url) as ledger, opened as tracker:
        projection = Projection(tracker, study, home, data=data_sets(concrete, worker))
        lab = Lab(worker, ledger, fleet)
        worker.on_losses = projection.losses
        sweep(
            concrete,
            lab,
            home,
            on_trial=projection.trial,
            on_end=projection.close_study,
            on_start=projection.open_study,
            on_open=projection.open_trial,
        )
    seconds = time.perf_counter() - began
    if opened.unsent:
        raise SystemExit(f"{opened.unsent} records were not sent; the server is too slow or away")
    return {"seconds": round(seconds, 2), "computing": round(fleet.computing, 2)}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A local MLflow server on SQLite, as `mlflow server` starts it with one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "files")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        while not healthy(uri):
            if process.poll() is not None:
                raise SystemExit((folder / "server.log").read_text())
            time.sleep(0.2)
        yield uri
    finally:
        # nothing of the server is needed any more
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def healthy(uri: str) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
