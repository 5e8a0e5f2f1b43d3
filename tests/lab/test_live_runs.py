"""A sweep as MLflow shows it while it runs: open runs, curves that grow, times that are right."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from mlflow_server import server
from terminal import study_file

from mpt.compute.worker import Worker
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.lab.sweep import replay, sweep
from mpt.lab.tracked import curves
from mpt.lab.tracked.curves import LiveCurves
from mpt.lab.tracked.projection import Projection
from mpt.lab.tracked.run_facts import data_sets
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import read_study
from mpt.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow


@dataclass
class Watched:
    """What MLflow held at every step of the first pack, and at the end."""

    home: Home
    uri: str
    seen: list[dict[str, tuple[str, int]]] = field(default_factory=list)
    curves: dict[str, list[tuple[int, float, int]]] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    again: dict[str, list[tuple[int, float, int]]] = field(default_factory=dict)

    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def states(self) -> dict[str, tuple[str, int]]:
        """Status and points of the loss curve of every run, by name."""
        return {
            name: (run.info.status, len(self.curve(run))) for name, run in self.by_name().items()
        }

    def by_name(self) -> dict[str, Any]:
        client = self.client()
        experiment = client.get_experiment_by_name("mpt")
        return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}

    def curve(self, run: Any, name: str = "loss") -> list[tuple[int, float, int]]:
        history = self.client().get_metric_history(run.info.run_id, name)
        return sorted((point.step, point.value, point.timestamp) for point in history)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("server", marks=pytest.mark.slow)])
def watched(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    study = read_study(
        study_file(folder / "study.yaml", {"outer": {"steps": 5, "episodes": 2}}), {}
    )
    home = Home.find({"MPT_HOME": str(folder / "home")}).open()
    place = server(folder) if request.param == "server" else nullcontext(home.tracking_uri)
    with place as uri, pytest.MonkeyPatch.context() as patch, Ledger(home.ledger_url) as ledger:
        patch.setattr(curves, "EVERY", 0.0)
        watched = Watched(home, uri)
        worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
        concrete, lab = plan(study, worker), Lab(worker, ledger)
        with MlflowTracker(uri, "mpt", home) as tracker:
            data = data_sets(concrete, worker)
            projection = Projection(tracker, study, home, data=data, command="mpt sweep")

            def watch(digest, losses):
                projection.losses(digest, losses)
                if len(watched.seen) < 10:
                    assert tracker.flush(60) == 0
                    watched.seen.append(watched.states())

            worker.on_losses = watch
            sweep(
                concrete,
                lab,
                home,
                on_trial=projection.trial,
                on_end=projection.close_study,
                on_start=projection.open_study,
                on_open=projection.open_trial,
            )
        watched.runs = watched.by_name()
        watched.curves = {name: watched.curve(run) for name, run in watched.runs.items()}
        with MlflowTracker(uri, "mpt", home) as tracker:
            projection = Projection(tracker, study, home)
            projection.close_study(replay(concrete, lab, home, on_trial=projection.trial))
        watched.again = {name: watched.curve(run) for name, run in watched.by_name().items()}
        yield watched


def test_trials_are_running_with_curves_that_grow(watched):
    first, last = watched.seen[0], watched.seen[9]
    # both trials of the pack are open before either has a loss
    assert {name for name, (status, _) in first.items() if status == "RUNNING"} == set(first)
    assert set(first) == {"small", "trial-0", "trial-1", "trial-2"}
    points = [seen["trial-0"][1] for seen in watched.seen]
    assert points == sorted(points)
    assert points[0] <= 1 < points[-1]
    assert last["trial-1"][0] == "RUNNING"


def test_points_carry_the_time_they_were_computed(watched):
    for name in ("trial-0", "trial-1", "trial-2"):
        steps, _, times = zip(*watched.curves[name], strict=True)
        assert steps == (1, 2, 3, 4, 5)
        assert list(times) == sorted(set(times))


def test_durations_agree_with_optunas_within_a_second(watched):
    query = (
        "SELECT number, strftime('%s', datetime_start), "
        "(julianday(datetime_complete) - julianday(datetime_start)) * 86400 FROM trials"
    )
    with closing(sqlite3.connect(watched.home.root / "studies.db")) as studies:
        trials = studies.execute(query).fetchall()
    assert len(trials) == 3
    for number, start, seconds in trials:
        info = watched.runs[f"trial-{number}"].info
        assert info.start_time / 1000 == pytest.approx(float(start), abs=1.0)
        assert (info.end_time - info.start_time) / 1000 == pytest.approx(seconds, abs=1.0)
    parent, every = watched.runs["small"].info, watched.runs.values()
    assert parent.start_time <= min(run.info.start_time for run in every)
    assert parent.end_time >= max(run.info.end_time for run in every) - 1000


def test_runs_say_what_they_are_and_what_they_read(watched):
    parent, trial = watched.runs["small"], watched.runs["trial-0"]
    assert "Made by `mpt sweep`." in parent.data.tags["mlflow.note.content"]
    assert "3 of 3 trials are over" in parent.data.tags["mlflow.note.content"]
    assert "Trial 0 of study small" in trial.data.tags["mlflow.note.content"]
    assert trial.data.tags["mpt.sources"] == "glue-mrpc, glue-qqp"
    assert "mpt.error" not in trial.data.tags
    data = {
        (one.dataset.name, one.tags[0].value, len(one.dataset.digest))
        for one in trial.inputs.dataset_inputs
    }
    sources, tasks = ("glue-mrpc", "glue-qqp"), ("liar", "trec")
    assert data == {
        *((name, "meta-training", 12) for name in sources),
        *((name, "validation", 12) for name in tasks),
    }


def test_a_study_has_no_parameters_of_a_run_and_its_best_trial_is_marked(watched):
    parent = watched.runs["small"]
    assert all(name.startswith("study.") for name in parent.data.params)
    trials = [run for name, run in watched.runs.items() if name != "small"]
    (best,) = (run for run in trials if run.data.tags.get("mpt.best") == "yes")
    assert best.data.metrics["arg"] == max(run.data.metrics["arg"] for run in trials)
    assert f"Best: trial {best.info.run_name[-1]}," in parent.data.tags["mlflow.note.content"]


def test_logging_the_study_again_adds_no_point(watched):
    assert watched.again == watched.curves


class Recording:
    """A tracker that only remembers points."""

    def __init__(self) -> None:
        self.points: list[tuple[str, int, float]] = []

    def metrics(self, run, points):
        self.points += [(run, point.step, point.value) for point in points]


def test_live_points_are_means_of_whole_stretches(watched, monkeypatch):
    monkeypatch.setattr(curves, "POINTS", 2)
    study = read_study(study_file(watched.home.root / "s.yaml"), {})
    config = study.run({}, sources=("a",), weights="w", data="d")
    tracker = Recording()
    live = LiveCurves(tracker)  # type: ignore[arg-type]
    live.follow(config, "one")  # type: ignore[arg-type]
    live.follow(config, "two")  # type: ignore[arg-type]
    for steps in range(1, 4):
        live(config.digest, [1.0, 3.0, 9.0][:steps])
        live("another", [0.0])
    live.flush(config)
    # three updates in two points: a whole stretch of two, and what is logged with the result
    assert tracker.points == [("one", 2, 2.0), ("two", 2, 2.0)]
