"""`mpt ui` from the outside: links that open on a study, and one line where it cannot serve."""

from __future__ import annotations

import socket

import pytest
from terminal import mpt, study_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("ui") / "home"


@pytest.fixture(scope="module")
def swept(home):
    swept = mpt("sweep", "--study", study_file(home.parent / "study.yaml"), home=home)
    assert swept.code == 0


@pytest.fixture
def served(monkeypatch):
    """The addresses at which pages would have been served."""
    addresses = []

    def serve(home, host, port, names):
        addresses.append((host, port))
        return 0

    monkeypatch.setattr("mpt.tracking.mlflow_tracker.serve_ui", serve)
    return addresses


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_it_prints_links_to_the_trials_their_charts_and_the_best_one(swept, home, served, port):
    said = mpt("ui", "--port", str(port), home=home)
    assert said.code == 0
    head, *links = said.out.splitlines()
    assert head.startswith("Study small")
    assert [line.split()[0] for line in links] == ["trials:", "charts:", "best:"]
    for line in links:
        assert f"http://127.0.0.1:{port}/#/experiments/" in line
        assert "workflowType=machine_learning" in line
    assert served == [("127.0.0.1", port)]


def test_an_unknown_study_is_one_line(swept, home, served, port):
    said = mpt("ui", "--study", "smal", "--port", str(port), home=home)
    assert said.code == 2
    assert "did you mean 'small'?" in said.error
    assert served == []


def test_a_port_in_use_is_one_line_and_exit_2(home, served):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = mpt("ui", "--port", str(port), home=home)
    assert said.code == 2
    assert f"cannot be served at 127.0.0.1 port {port}" in said.error
    assert f"--port {port + 1}" in said.error
    assert served == []


def test_an_empty_home_is_served_and_says_what_fills_it(tmp_path, served, port):
    said = mpt("ui", "--port", str(port), home=tmp_path / "none")
    assert (said.code, served) == (0, [("127.0.0.1", port)])
    assert "`mpt sweep` begins one" in said.out
    assert not (tmp_path / "none").exists()


def test_runs_go_to_the_experiment_that_is_asked_for(tmp_path):
    from mlflow import MlflowClient

    home = tmp_path / "home"
    study = study_file(tmp_path / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=home, MLFLOW_EXPERIMENT_NAME="mine").code == 0
    words = ("sweep", "--study", study, "--name", "other", "--experiment", "ours")
    assert mpt(*words, home=home).code == 0
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    names = {experiment.name for experiment in client.search_experiments()}
    assert {"mine", "ours"} <= names
    assert "mpt" not in names
