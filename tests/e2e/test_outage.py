"""A sweep whose MLflow server is stopped in the middle and started at the end."""

from __future__ import annotations

import time

import pytest
from forked import Forked
from mlflow_server import server
from terminal import study_file

pytestmark = pytest.mark.slow


def test_a_server_stopped_in_mid_sweep_ends_with_everything_once(tmp_path):
    from mlflow import MlflowClient

    longer = {"outer": {"steps": 30, "episodes": 2, "batch": 2}, "trials": 6}
    study, home = study_file(tmp_path / "study.yaml", longer), tmp_path / "home"

    def mpt(*words: str) -> Forked:
        return Forked(words, {"MPT_HOME": str(home), "MPT_TRACKING_URI": uri})

    with server(tmp_path) as uri:
        sweep = mpt("sweep", "--study", str(study))
        client, deadline = MlflowClient(tracking_uri=uri), time.monotonic() + 120
        while not (experiment := client.get_experiment_by_name("mpt")):
            assert sweep.poll() is None, sweep.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
    _, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, err
    assert "training continues, and its tracking records are kept in" in err
    assert "tracking records wait in" in err
    with server(tmp_path, int(uri.rpartition(":")[2])):
        done = mpt("sync")
        out, err = done.communicate(timeout=200)
        assert done.returncode == 0, err
        assert out.endswith("records sent, 0 left\n")
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) == 7
        assert len({run.data.tags["mpt.key"] for run in runs}) == 7
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
        for run in runs:
            of = run.info.run_id
            if run.data.tags["mpt.key"].endswith("/sweep"):
                continue
            files = {file.path for file in client.list_artifacts(of)}
            assert {"config.yaml", "cells.csv"} <= files
            for name in run.data.metrics:
                steps = [point.step for point in client.get_metric_history(of, name)]
                assert len(steps) == len(set(steps)), (run.data.tags["mpt.key"], name)
            if run.info.status == "FINISHED":
                assert len(client.get_metric_history(of, "loss")) == 30
