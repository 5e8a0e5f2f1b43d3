"""What every tracker must do, and what MLflow must hold afterwards."""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import torch
from mlflow_server import answers, server

from mpt.errors import StoreError
from mpt.store.artefacts import save_prompt
from mpt.store.home import Home
from mpt.tracking.mlflow_tracker import MlflowTracker, sync, ui_environment
from mpt.tracking.spool import Spool
from mpt.tracking.tracker import (
    ANY,
    NONE,
    DataSet,
    NullTracker,
    Point,
    PromptModel,
    RunKey,
    Tracker,
)

DIGEST = "0123456789ab"


@dataclass
class Place:
    """A tracking store, an experiment of its own in it, and the home that tells it."""

    uri: str
    home: Home
    experiment: str
    said: list[str]

    def tracker(self, uri: str = "") -> MlflowTracker:
        return MlflowTracker(uri or self.uri, self.experiment, self.home, warn=self.said.append)

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def runs(self) -> dict[str, Any]:
        """Every run by its key."""
        experiment = self.client.get_experiment_by_name(self.experiment)
        found = self.client.search_runs([experiment.experiment_id]) if experiment else []
        assert len({run.data.tags["mpt.key"] for run in found}) == len(found)
        return {run.data.tags["mpt.key"]: run for run in found}

    def points(self, key: str, name: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(self.runs()[key].info.run_id, name)
        return sorted((point.step, point.value) for point in history)

    def file(self, key: str, path: str, into: Path) -> str:
        run = self.runs()[key].info.run_id
        return Path(self.client.download_artifacts(run, path, str(into))).read_text()


@pytest.fixture(scope="session", params=["sqlite", pytest.param("server", marks=pytest.mark.slow)])
def store(request, tmp_path_factory):
    """One store for all tests: making MLflow's tables takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/mlflow.db"
    else:
        with server(folder) as uri:
            yield uri


@pytest.fixture
def place(store, tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "home"), "MPT_TRACKING_URI": store}).open()
    return Place(store, home, f"mpt-{uuid4().hex[:6]}", [])


@pytest.fixture
def prompt(place):
    path = save_prompt(place.home, DIGEST, torch.ones(2, 3), {})
    return place.home.root / path


def tell(tracker: Tracker, prompt: Path, *, trials: int = 2) -> RunKey:
    """Everything that a small study tells."""
    study = tracker.open_study("mini", params={"trials": 2, "space": {"lr": [1]}}, tags={"a": "b"})
    for n in range(trials):
        run = tracker.open_run(
            f"trial/{n}", parent=study, name=f"trial {n}", params={"outer.lr": 0.1 * n}, tags={}
        )
        tracker.metrics(run, [Point("loss", 1 / (k + 1), k) for k in range(20)])
        tracker.metrics(run, [Point("arg/NP->P", 3.5), Point("odd", float("nan"))])
        tracker.metrics(run, [Point("huge", float("inf"))])
        tracker.metrics(run, [])
        tracker.table(run, "cells", [{"task": "a, b", "dev": 0.5}, {"task": "c", "test": 1}])
        tracker.text(run, "config.yaml", "method: maml\n")
        tracker.artifact(run, prompt, name="prompt.safetensors")
        tracker.close_run(run, "killed" if n else "finished", {"mpt.state": "done"})
    tracker.register_prompt(study, PromptModel("mpt-mini", DIGEST, prompt, {"k": 1}))
    tracker.close_run(study, "finished", {})
    return study


def test_keys_are_the_same_for_every_tracker(tmp_path, place, prompt):
    with place.tracker() as tracker, NullTracker() as null:
        assert tell(tracker, prompt, trials=1) == tell(null, prompt, trials=1) == "mini"
        arguments: dict[str, Any] = {"name": "n", "params": {}, "tags": {}}
        for one in (tracker, null):
            assert one.open_run("a", parent=RunKey("s"), **arguments) == "s/a"
            assert one.flush(60) == one.unsent == 0
    assert place.said == []
    assert list(place.home.outbox.iterdir()) == []


def test_everything_told_is_in_mlflow(place, prompt, tmp_path):
    with place.tracker() as tracker:
        tell(tracker, prompt)
    assert place.said == []
    runs = place.runs()
    assert sorted(runs) == ["mini", "mini/trial/0", "mini/trial/1"]
    study, first = runs["mini"], runs["mini/trial/0"]
    assert study.data.params == {"trials": "2", "space": '{"lr": [1]}'}
    assert study.data.tags["a"] == "b"
    assert first.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert first.info.run_name == "trial 0"
    assert first.data.params == {"outer.lr": "0.0"}
    assert [runs[key].info.status for key in sorted(runs)] == ["FINISHED", "FINISHED", "KILLED"]
    assert first.data.tags["mpt.state"] == "done"
    assert first.info.end_time >= first.info.start_time
    assert place.points("mini/trial/1", "loss") == [(k, 1 / (k + 1)) for k in range(20)]
    assert first.data.metrics["arg/NP to P"] == 3.5
    assert first.data.metrics["huge"] == sys.float_info.max
    assert place.file("mini/trial/0", "config.yaml", tmp_path) == "method: maml\n"
    cells = list(csv.DictReader(place.file("mini/trial/0", "cells.csv", tmp_path).splitlines()))
    assert cells == [
        {"task": "a, b", "dev": "0.5", "test": ""},
        {"task": "c", "dev": "", "test": "1"},
    ]
    listed = place.client.list_artifacts(first.info.run_id)
    assert sorted(file.path for file in listed) == [
        "cells.csv",
        "config.yaml",
        "prompt.safetensors",
    ]


def test_a_run_that_an_earlier_version_named_by_its_key_gets_its_name(place):
    """It counted trials from 1; what a user has renamed keeps its name."""

    def opened(number: int, name: str) -> None:
        with place.tracker() as tracker:
            fields: dict[str, Any] = {"params": {}, "tags": {}}
            study = tracker.open_study("mini", key="mini/0123456789ab/sweep", **fields)
            run = tracker.open_run("trial-1", parent=study, name=name, **fields)
            tracker.metrics(run, [Point("trial", number, 0, 1000 if number else 2000)])

    def name() -> str:
        return place.runs()[key].info.run_name

    key = "mini/0123456789ab/sweep/trial-1"
    opened(1, "trial-1")
    opened(0, "trial-0")
    assert name() == "trial-0"
    assert place.runs()[key].data.metrics["trial"] == 0
    place.client.update_run(place.runs()[key].info.run_id, name="the one to keep")
    opened(0, "trial-0")
    assert name() == "the one to keep"
    assert len(place.runs()) == 2


def test_telling_everything_again_changes_nothing(place, prompt):
    for _ in range(2):
        with place.tracker() as tracker:
            tell(tracker, prompt)
            tell(tracker, prompt)
    assert place.said == []
    assert len(place.runs()) == 3
    assert len(place.points("mini/trial/0", "loss")) == 20
    assert len(place.points("mini/trial/0", "odd")) == 1
    assert len(place.client.search_model_versions(f"run_id = '{_id(place, 'mini')}'")) == 1


def _id(place: Place, key: str) -> str:
    return place.runs()[key].info.run_id


def test_a_run_is_continued_by_its_key(place):
    arguments: dict[str, Any] = {"parent": None, "name": "s", "tags": {}}
    with place.tracker() as tracker:
        run = tracker.open_run("s", params={"trials": 3, "kept": 1}, **arguments)
        tracker.close_run(run, "finished", {})
    with place.tracker() as tracker:
        run = tracker.open_run("s", params={"trials": 5, "kept": 1, "new": 2}, **arguments)
        assert tracker.flush(60) == 0
        held = place.runs()["s"]
        assert held.info.status == "RUNNING"
        assert held.data.params == {"trials": "3", "kept": "1", "new": "2"}
        assert held.data.tags["now.trials"] == "5"
        assert "now.kept" not in held.data.tags
        tracker.close_run(run, "failed", {"why": "test"})
    assert place.runs()["s"].info.status == "FAILED"


def test_tags_are_overwritten_and_removed_also_after_the_end(place):
    with place.tracker() as tracker:
        run = tracker.open_run("s", parent=None, name="s", params={}, tags={"a": "1", "b": "2"})
        tracker.close_run(run, "finished", {"b": "", "never": ""})
        tracker.tag(run, {"a": "3", "c": "4"})
    held = place.runs()["s"]
    own = {key: held.data.tags.get(key) for key in ("a", "b", "c", "never")}
    assert own == {"a": "3", "b": None, "c": "4", "never": None}
    assert held.info.status == "FINISHED"


def test_times_that_are_given_are_the_runs_times(place):
    with place.tracker() as tracker:
        run = tracker.open_run("s", parent=None, name="s", params={}, tags={}, started_ms=1_000)
        tracker.metrics(run, [Point("loss", 1.0, 1, 2_000)])
        tracker.close_run(run, "finished", {}, 3_000)
    held = place.runs()["s"]
    assert (held.info.start_time, held.info.end_time) == (1_000, 3_000)
    (point,) = place.client.get_metric_history(held.info.run_id, "loss")
    assert point.timestamp == 2_000


def test_data_and_views_are_logged_once(place):
    data = [
        DataSet("trec", DIGEST, "meta-training", "mini", (13, 21)),
        DataSet("trec", DIGEST, "validation", "mini", (13,)),
    ]
    for _ in range(2):
        with place.tracker() as tracker:
            run = tracker.open_study("mini", params={}, tags={})
            tracker.inputs(run, data)
            tracker.inputs(run, [])
            tracker.views(run, "mini", ["inner.lr", "outer.lr"])
    assert place.said == []
    inputs = place.runs()["mini"].inputs.dataset_inputs
    assert {(one.dataset.name, one.dataset.digest) for one in inputs} == {("trec", DIGEST)}
    assert {tag.value for one in inputs for tag in one.tags} <= {"meta-training", "validation"}
    experiment = place.client.get_experiment_by_name(place.experiment)
    assert sum(name.startswith("mlflow.sharedViewState.") for name in experiment.tags) == 2


def test_odd_names_and_long_values_are_taken(place):
    with place.tracker() as tracker:
        run = tracker.open_run(
            'it\'s "odd"/é', parent=None, name="x" * 300, params={"a->b?": "v" * 9000}, tags={}
        )
        tracker.metrics(run, [Point("é→%", 1.0)])
        tracker.close_run(run, "finished", {"reason": "w" * 9000})
    assert place.said == []
    (held,) = place.runs().values()
    assert len(held.data.params["a to b_"]) == 6000
    assert held.data.tags["reason"].endswith("w…")


def test_a_folder_keeps_its_shape(place, tmp_path):
    page = tmp_path / "report"
    (page / "figures").mkdir(parents=True)
    (page / "index.html").write_text("<p>")
    (page / "figures" / "a.svg").write_text("<svg>")
    with place.tracker() as tracker:
        run = tracker.open_study("s", params={}, tags={})
        tracker.artifact(run, page, "report")
        tracker.artifact(run, tmp_path / "nowhere.txt")
        tracker.artifact(run, place.home.root / "nowhere.txt")
        tracker.close_run(run, "finished", {})
    assert place.file("s", "report/index.html", tmp_path) == "<p>"
    assert place.file("s", "report/figures/a.svg", tmp_path) == "<svg>"
    outside, inside = [line for line in place.said if "the file" in line]
    assert f"the file {str(tmp_path / 'nowhere.txt')!r} leads out of" in outside
    assert inside.endswith("nowhere.txt of run 's' is gone; see refused.jsonl")


def test_a_registered_prompt_predicts(place, prompt, monkeypatch):
    asked = []

    def predict(file: Path, config: Any, texts: list[str]) -> list[str]:
        asked.append((file.name, dict(config), list(texts)))
        return [text.upper() for text in texts]

    monkeypatch.setattr("mpt.serve.predict.predict", predict)
    name = f"mpt-{uuid4().hex[:6]}"
    with place.tracker() as tracker:
        study = tracker.open_study("s", params={}, tags={})
        for digest in ("a" * 12, "b" * 12, "a" * 12):
            tracker.register_prompt(study, PromptModel(name, digest, prompt, {"k": [1, "x"]}))
        tracker.close_run(study, "finished", {})
    assert place.said == []
    versions = place.client.search_model_versions(f"name = '{name}'")
    made = {str(version.version): version.tags["mpt.digest"][0] for version in versions}
    assert made == {"1": "a", "2": "b"}
    assert str(place.client.get_model_version_by_alias(name, "champion").version) == "1"

    import mlflow

    # not mlflow.set_tracking_uri: it cannot be taken back, and later clients would look there
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", place.uri)
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    assert model.predict(["one", "two"]) == ["ONE", "TWO"]
    own = "prompt.safetensors", {"k": [1, "x"]}
    # the first answer loads the backbone, before a server takes requests
    assert asked == [(*own, ["the first answer"]), (*own, ["one", "two"])]


def test_an_alias_moves_only_from_the_version_that_may_lose_it(place, prompt, monkeypatch):
    monkeypatch.setattr("mpt.tracking.writer.save_model", lambda folder, **_: folder.mkdir())
    name, first, second, third = f"mpt-{uuid4().hex[:6]}", "a" * 12, "b" * 12, "c" * 12

    def registered(digest: str, replaces: str, **more: Any) -> str:
        with place.tracker() as tracker:
            study = tracker.open_study("s", params={}, tags={})
            model = PromptModel(name, digest, prompt, {}, replaces=replaces, **more)
            tracker.register_prompt(study, model)
        return place.client.get_model_version_by_alias(name, "champion").tags["mpt.digest"]

    assert registered(first, NONE, tags={"mpt.arg": "1.5"}, note="about it") == first
    assert registered(second, NONE) == first
    assert registered(second, third) == first
    assert registered(second, first) == second
    assert registered(first, NONE) == second
    assert registered(first, ANY) == first
    assert place.said == []
    made = {
        one.tags["mpt.digest"]: one for one in place.client.search_model_versions(f"name='{name}'")
    }
    assert (made[first].tags["mpt.arg"], made[first].description) == ("1.5", "about it")
    assert sorted(made) == [first, second]


def test_no_pickle_is_in_a_registered_prompt(place, prompt, tmp_path):
    with place.tracker() as tracker:
        study = tracker.open_study("s", params={}, tags={})
        tracker.register_prompt(study, PromptModel("mpt-plain", DIGEST, prompt, {}))
    folder = Path(place.client.download_artifacts(_id(place, "s"), "model", str(tmp_path)))
    files = {file.suffix for file in folder.rglob("*") if file.is_file()}
    tables = {".json", ".yaml", ".txt", ".md", ".html", ".css", ".typed"}
    assert files <= {".py", ".safetensors", "", *tables}
    assert not list(folder.rglob("mini/*.safetensors"))
    assert "pkl" not in (folder / "MLmodel").read_text()


def test_a_call_does_not_wait_for_mlflow(place):
    with place.tracker() as tracker:
        study = tracker.open_study("s", params={}, tags={})
        began = time.monotonic()
        for step in range(100):
            tracker.metrics(study, [Point("loss", 1.0, step)])
        assert time.monotonic() - began < 1.0, "MLflow itself takes 20 ms for each"
        tracker.close_run(study, "finished", {})
        assert tracker.flush(60) == 0
    assert len(place.points("s", "loss")) == 100


class _Broken(BaseHTTPRequestHandler):
    status = 500

    def _reply(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"no")

    do_GET = do_POST = do_PATCH = _reply

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def broken(status: int) -> Iterator[int]:
    """A server on 127.0.0.1 that answers everything with one status; its port."""
    handler = type("Handler", (_Broken,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield http.server_port
        http.shutdown()
        thread.join()


FAULTS = [
    (500, "500"),
    (401, "401.*set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    (403, "403.*let MLFLOW_TRACKING_USERNAME name a user who may write there"),
    (404, "404.*see that the address is an MLflow server's"),
    (400, "400"),
    (None, r"Connection refused; see that the server runs and the address is right"),
]


@pytest.mark.parametrize(("status", "wording"), FAULTS)
def test_a_server_that_does_not_answer_costs_nothing_and_loses_nothing(
    tmp_path, status, wording, place, monkeypatch
):
    monkeypatch.setattr("mpt.tracking.uploader.GRACE", 1.0)
    with broken(status or 500) as port:
        where = f"user:s3cret@127.0.0.1:{port if status else 9}"
        tracker = place.tracker(f"http://{where}")
        run = tracker.open_study("s", params={}, tags={})
        tracker.metrics(run, [Point("loss", 1.0, step) for step in range(3)])
        deadline = time.monotonic() + 30
        while not place.said:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        tracker.close_run(run, "finished", {})
        tracker.close()
    outage, left = place.said
    assert "s3cret" not in outage
    assert "user:***@127.0.0.1" in outage
    assert outage.startswith(
        f"training continues, and its tracking records are kept in {place.home.outbox}: MLflow at "
    )
    assert re.search(wording, outage)
    assert left == (
        f"3 tracking records wait in {place.home.outbox}; "
        f"`mpt sync --tracking-uri {Home.shown(f'http://{where}')}` sends them"
    )
    assert "s3cret" not in left
    assert sync(place.home, place.uri, experiment=place.experiment) == (3, 0)
    assert place.points("s", "loss") == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert place.runs()["s"].info.status == "FINISHED"
    assert sync(place.home, place.uri, experiment=place.experiment) == (0, 0)


CHILD = """
import sys, time
from mpt.store.home import Home
from mpt.tracking.mlflow_tracker import MlflowTracker, Point
home = Home.find({"MPT_HOME": sys.argv[1]})
tracker = MlflowTracker("http://127.0.0.1:9", sys.argv[2], home, warn=lambda line: None)
run = tracker.open_study("s", params={"a": 1}, tags={})
for step in range(40):
    tracker.metrics(run, [Point("loss", float(step), step)])
print("told", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_told_is_sent_by_the_next_one_first(place):
    command = [sys.executable, "-c", CHILD, place.home.root, place.experiment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "told\n"
        child.kill()
    with place.tracker() as tracker:
        run = tracker.open_study("s", params={"a": 1}, tags={})
        tracker.close_run(run, "finished", {})
        assert tracker.flush(60) == 0
    assert place.points("s", "loss") == [(step, float(step)) for step in range(40)]
    assert place.runs()["s"].info.status == "FINISHED"


def test_another_tools_database_is_an_outage_with_a_cause(place, tmp_path):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{tmp_path}/studies.db"
    optuna.storages.RDBStorage(url).remove_session()
    tracker = place.tracker(url)
    tracker.open_study("s", params={}, tags={})
    deadline = time.monotonic() + 30
    while not place.said:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    tracker.close()
    assert "give MLflow a database of its own with MPT_TRACKING_URI" in place.said[0]


def test_a_tracking_server_has_its_own_pages(tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path), "MPT_TRACKING_URI": "https://u:s3cret@x/y"})
    with pytest.raises(
        StoreError, match=r"tracked on https://u:\*\*\*@x/y; open that in a browser"
    ):
        ui_environment(home)


@pytest.mark.slow
def test_a_server_that_goes_down_and_comes_back_has_everything_once(tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    with server(tmp_path) as uri:
        place = Place(uri, home, "mpt", [])
        prompt = home.root / save_prompt(home, DIGEST, torch.ones(2, 3), {})
        tracker = place.tracker()
        run = tracker.open_study("long", params={}, tags={})
        tracker.metrics(run, [Point("loss", float(k), k) for k in range(1500)])
        assert tracker.flush(60) == 0
    tell(tracker, prompt)
    tracker.metrics(run, [Point("loss", float(k), k) for k in range(1500, 3000)])
    tracker.close_run(run, "finished", {})
    time.sleep(3)
    assert tracker.unsent > 10
    with server(tmp_path, int(uri.rpartition(":")[2])):
        assert tracker.flush(90) == 0
        assert len(place.points("long", "loss")) == 3000
        assert len(place.points("mini/trial/1", "loss")) == 20
        assert {run.info.status for run in place.runs().values()} == {"FINISHED", "KILLED"}
        tracker.close()
    assert len(place.said) == 2
    assert place.said[1] == "the tracking server accepts records again"


@pytest.mark.slow
def test_files_that_a_planted_record_names_are_never_sent(tmp_path):
    (tmp_path / "secret.txt").write_text("s3cret")
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    (home.root / "prompt").write_text("p")
    spool = Spool.begin(home.outbox)
    opened = {"parent": None, "name": "s", "params": {}, "tags": {}, "time": 1}
    spool.append({"do": "open", "key": "s", **opened})
    planted = [
        {"file": "../../../secret.txt", "name": "a.txt", "folder": ""},
        {"file": str(tmp_path / "secret.txt"), "folder": "sub"},
        {"file": "../../prompt", "name": "../../../planted", "folder": ""},
    ]
    for record in planted:
        spool.append({"do": "file", "key": "s", **record})
    spool.append({"do": "text", "key": "s", "name": "b.txt", "text": "b"})
    spool.close()
    said: list[str] = []
    assert sync(home, home.tracking_uri, warn=said.append) == (2, 0)
    assert len(said) == 3
    assert sum("leads out of" in one and "it is not sent" in one for one in said) == 2
    assert sum("is to be called '../../../planted', a path" in one for one in said) == 1
    sent = [path for path in home.artifacts.rglob("*") if path.is_file()]
    assert [path.name for path in sent] == ["b.txt"]
    assert "s3cret" not in (home.outbox / "refused.jsonl").read_text()
    assert not list(tmp_path.rglob("planted"))


def status(port: int, **headers: str) -> int:
    """What the pages on this port answer when they are called by another name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    told = {"Content-Type": "application/json", **headers}
    body = '{"experiment_ids": ["1"]}'
    connection.request("POST", "/api/2.0/mlflow/runs/search", body, told)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_the_local_pages_serve_runs_and_files_to_those_who_call_them_by_name(tmp_path, repository):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"MPT_HOME": str(tmp_path / "home")}
    home = Home.find(environment).open()
    place = Place(home.tracking_uri, home, "mpt", [])
    with place.tracker() as tracker:
        run = tracker.open_study("s", params={}, tags={})
        tracker.text(run, "config.yaml", "a: 1\n")
        tracker.close_run(run, "finished", {})
    loose = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"}
    words = ["ui", "--port", str(port), "--allowed-hosts", "pages.example:80"]
    process = subprocess.Popen(
        [sys.executable, repository / "cli.py", *words],
        env={**os.environ, **environment, **loose},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        uri, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while not answers(f"{uri}/health"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        query = f"path=config.yaml&run_uuid={_id(place, 's')}"
        with urllib.request.urlopen(f"{uri}/get-artifact?{query}") as reply:
            assert reply.read() == b"a: 1\n"
        body = json.dumps({"experiment_ids": ["1"]}).encode()
        request = urllib.request.Request(
            f"{uri}/api/2.0/mlflow/runs/search", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            assert len(json.load(reply)["runs"]) == 1
        for name in ("localhost", f"localhost:{port}", f"[::1]:{port}", "pages.example:80"):
            assert status(port, Host=name) == 200, name
        for name in ("attacker.example", f"10.0.0.7:{port}", "192.168.1.2", "0.0.0.0"):
            assert status(port, Host=name) == 403, name
        assert status(port, Host=f"localhost:{port}", Origin="http://attacker.example") == 403
    finally:
        process.terminate()
        process.wait(20)
    assert not answers(f"{uri}/health"), "the server ends with mpt"
