"""Saved views and links: what MLflow's pages are told to show of a study."""

from __future__ import annotations

import base64
import json
import zlib
from urllib.parse import parse_qs

import pytest

from mpt.errors import UnknownName
from mpt.store.home import Home
from mpt.tracking.links import study_links
from mpt.tracking.mlflow_tracker import MlflowTracker
from mpt.tracking.views import CHARTS, TABLE, VIEW, study_views, view_key

PARAMS = ["inner.lr", "outer.lr", "outer.steps"]
KEY = "mini/0123456789ab/sweep"


def state_of(tag: str) -> dict:
    """The state that MLflow's pages read from a view's tag."""
    kind, _, packed = json.loads(tag)["state"].partition(";")
    assert kind == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


@pytest.fixture(scope="module")
def views():
    return study_views(KEY, "0a1b", "mini", PARAMS)


def test_the_table_has_arg_and_every_searched_parameter_sorted_by_arg(views):
    view = views[view_key(KEY, TABLE)]
    tag = view.tag(1_800_000_000_000)
    assert json.loads(tag)["name"] == view.name == "mini: trials by ARG"
    # MLflow takes values of up to 5000 characters
    assert len(tag) < 5000
    state = state_of(tag)
    assert state["orderByKey"] == "metrics.`arg`"
    assert state["orderByAsc"] is False
    assert {"metrics.`arg`", *(f"params.`{name}`" for name in PARAMS)} <= set(
        state["selectedColumns"]
    )
    assert state["searchFilter"] == "tags.mlflow.parentRunId = '0a1b'"


def test_the_charts_compare_the_searched_parameters_with_arg(views):
    state = state_of(views[view_key(KEY, CHARTS)].tag(0))
    charts = {chart["type"]: chart for chart in state["compareRunCharts"]}
    assert charts["PARALLEL"]["selectedParams"] == PARAMS
    assert charts["PARALLEL"]["selectedMetrics"] == ["arg"]
    lines = [chart for chart in state["compareRunCharts"] if chart["type"] == "LINE"]
    assert [line["metricKey"] for line in lines] == ["loss", "dev/mean"]
    (section,) = state["compareRunSections"]
    assert {chart["metricSectionId"] for chart in charts.values()} == {section["uuid"]}
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == len(
        state["compareRunCharts"]
    )


def test_one_parameter_makes_no_map_of_two(views):
    alone = study_views(KEY, "0a1b", "mini", PARAMS[:1])[view_key(KEY, CHARTS)]
    kinds = [chart["type"] for chart in alone.state["compareRunCharts"]]
    assert "CONTOUR" not in kinds
    assert "CONTOUR" in [
        chart["type"] for chart in views[view_key(KEY, CHARTS)].state["compareRunCharts"]
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with two studies; the one that began last has saved views and a best trial."""
    root = tmp_path_factory.mktemp("links") / "home"
    environment = {"MPT_HOME": str(root), "MLFLOW_EXPERIMENT_NAME": "mine"}
    home = Home.find(environment).open()
    with MlflowTracker(home.tracking_uri, home.experiment, home) as tracker:
        for name, began in (("early", 1_000), ("late", 2_000)):
            run = tracker.open_study(
                name,
                params={},
                tags={"mpt.study": name},
                key=f"{name}/0123456789ab/sweep",
                started_ms=began,
            )
            if name == "late":
                tracker.views(run, name, PARAMS)
                trial = tracker.open_run("trial-0", parent=run, name="t", params={}, tags={})
                tracker.tag(trial, {"mpt.best": "yes"})
    return home


def test_links_open_the_newest_study_on_the_pages_for_runs(home):
    links = study_links(home, "http://h:1")
    assert links is not None
    assert links.study == "late"
    for link, kind in ((links.trials, TABLE), (links.charts, CHARTS)):
        page, _, query = link.partition("?")
        assert page.startswith("http://h:1/#/experiments/")
        asked = parse_qs(query)
        assert asked["workflowType"] == ["machine_learning"]
        assert asked["viewStateShareKey"] == [view_key("late/0123456789ab/sweep", kind)]
    assert "compareRunsMode=CHART" in links.charts
    assert "/runs/" in links.best


def test_a_study_without_saved_views_is_filtered_and_sorted_by_its_link(home):
    links = study_links(home, "http://h:1", "early")
    assert links is not None
    asked = parse_qs(links.trials.partition("?")[2])
    assert asked["searchFilter"][0].startswith("tags.mlflow.parentRunId = '")
    assert asked["orderByKey"] == ["metrics.`arg`"]
    assert links.best == ""


def test_a_name_that_is_nearly_a_study_is_corrected(home):
    with pytest.raises(UnknownName, match="did you mean 'late'"):
        study_links(home, "http://h:1", "lat")


def test_views_of_one_study_are_saved_once(home):
    from mlflow import MlflowClient

    with MlflowTracker(home.tracking_uri, home.experiment, home) as tracker:
        run = tracker.open_study("late", params={}, tags={}, key="late/0123456789ab/sweep")
        tracker.views(run, "late", PARAMS)
    experiment = MlflowClient(home.tracking_uri).get_experiment_by_name("mine")
    assert experiment is not None
    assert sum(name.startswith(VIEW) for name in experiment.tags) == 2
    assert "mlflow.note.content" in experiment.tags


def test_without_a_store_there_is_nothing_to_link_to(tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "nothing")})
    assert study_links(home, "http://h:1") is None
    assert not home.root.exists()
