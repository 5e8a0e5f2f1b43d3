"""Links into MLflow's pages: a study's trials, their comparison, and its best trial.

MLflow opens on its pages for language-model applications, where a study looks empty; a link that
names another workflow opens on runs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from mpt.errors import UnknownName
from mpt.store.address import sqlite_file
from mpt.store.home import Home
from mpt.tracking.address import runs_at
from mpt.tracking.client import answer, connect, disconnect
from mpt.tracking.tracker import BEST
from mpt.tracking.views import CHARTS, TABLE, VIEW, view_key

ANSWER_S = 3.0
"""Seconds within which a server must answer for links to be made."""

_RUNS = {"workflowType": "machine_learning"}
_KEY = "mpt.key"


@dataclass(frozen=True)
class StudyLinks:
    """Hold the addresses of a study's pages.

    Attributes:
        study: its name.
        trials: the table of its trials, sorted by ARG.
        charts: the comparison of its trials.
        best: the run of its best trial; empty if no trial has an ARG.
    """

    study: str
    trials: str
    charts: str
    best: str


def study_links(home: Home, base: str, study: str | None = None) -> StudyLinks | None:
    """Find the pages of a study.

    Args:
        home: whose tracking store holds the runs.
        base: the address of MLflow's server, without a slash at its end.
        study: its name; by default the study that began last.

    Returns:
        None if the store holds no study.

    Raises:
        UnknownName: there is no study of this name.
        StoreError: the store cannot be used; else whatever MLflow's client raises.
    """
    file = sqlite_file(home.tracking_uri)
    if file and not file.exists():
        return None
    client = connect(home.tracking_uri, home.artifacts)
    try:
        experiment = client.get_experiment_by_name(home.experiment)
        return _links(client, experiment, base, study) if experiment else None
    finally:
        disconnect(client)


def server_page(home: Home, study: str) -> str:
    """Return the page of a study on the home's MLflow server; the server's if it is not known."""
    base = home.tracking_uri.rstrip("/")
    with suppress(Exception):
        # whatever a server raises: its address alone leads there too
        answer(base, ANSWER_S)
        if links := study_links(home, base, study):
            return Home.shown(links.trials)
    return Home.shown(base)


def study_page(home: Home, study: str) -> str:
    """Say what shows the runs of a study: its page on a server, or the command that serves it."""
    return server_page(home, study) if home.tracking_uri.startswith("http") else runs_at(home)


def _links(client: Any, experiment: Any, base: str, study: str | None) -> StudyLinks | None:
    studies = client.search_runs(
        [experiment.experiment_id],
        f"tags.`{_KEY}` LIKE '%/sweep'",
        order_by=["attributes.start_time DESC"],
    )
    chosen = [run for run in studies if study in (None, run.data.tags.get("mpt.study"))]
    if not chosen:
        if study is not None:
            raise UnknownName("study", study, {run.data.tags["mpt.study"] for run in studies})
        return None
    run = chosen[0]
    children = f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    best = client.search_runs([experiment.experiment_id], f"{children} AND tags.`{BEST}` = 'yes'")
    pages = f"{base}/#/experiments/{experiment.experiment_id}/runs"
    query = {"searchFilter": children, "orderByKey": "metrics.`arg`", "orderByAsc": "false"}
    key = run.data.tags[_KEY]
    is_saved = f"{VIEW}{view_key(key, TABLE)}" in experiment.tags
    table = {"viewStateShareKey": view_key(key, TABLE)} if is_saved else query
    charts = {"viewStateShareKey": view_key(key, CHARTS)} if is_saved else query
    return StudyLinks(
        run.data.tags["mpt.study"],
        _page(pages, table),
        _page(pages, {**charts, "compareRunsMode": "CHART"}),
        _page(f"{pages}/{best[0].info.run_id}", {}) if best else "",
    )


def _page(address: str, query: dict[str, str]) -> str:
    return f"{address}?{urlencode({**_RUNS, **query}, quote_via=quote)}"
