"""Saved views of MLflow's pages: the trials of a study as a table and as charts.

MLflow has no API for them. They are tags of the experiment in the format of its own pages
(version 3.17), which show a view when a link names its key.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

VIEW = "mlflow.sharedViewState."
"""Beginning of the name of a tag that holds a view; the view's key follows."""

TABLE, CHARTS = "trials", "charts"
"""The views of a study."""

_SECTION = "mpt-search"
_MOST = 100
"""Runs in a chart, at most."""


@dataclass(frozen=True)
class View:
    """Hold a view's name and its state, as MLflow's pages store it."""

    name: str
    state: Mapping[str, Any]

    def tag(self, time_ms: int) -> str:
        """Return the value of the tag that holds the view.

        Args:
            time_ms: when it was saved, in milliseconds since 1970.
        """
        packed = base64.b64encode(zlib.compress(json.dumps(self.state).encode())).decode()
        times = {"createdAt": time_ms, "updatedAt": time_ms}
        return json.dumps({"name": self.name, **times, "state": f"deflate;{packed}"})


def view_key(run_key: str, kind: str) -> str:
    """Return the key of a study's view, of kind ``TABLE`` or ``CHARTS``, from its run's key."""
    return f"mpt-{sha256(run_key.encode()).hexdigest()[:10]}-{kind}"


def study_views(run_key: str, run: str, name: str, params: Sequence[str]) -> dict[str, View]:
    """Return the views of a study by their keys.

    Args:
        run_key: the key of the study's run.
        run: the id of that run in MLflow.
        name: the study's name.
        params: names of the searched parameters.
    """
    charts = [
        _parallel(params),
        _scatter("ARG by trial", "trial"),
        *([_contour(params[0], params[1])] if len(params) > 1 else []),
        _line("loss"),
        _line("dev/mean"),
        _scatter("ARG by time", "seconds"),
    ]
    table = {**_state(run, params), "compareRunCharts": None, "compareRunSections": None}
    drawn = {
        **_state(run, params),
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": _SECTION, "name": "Search", "display": True, "isReordered": False}
            | {"deleted": False, "isGenerated": False}
        ],
        # else MLflow replaces the charts by those that it makes itself
        "isAccordionReordered": True,
    }
    return {
        view_key(run_key, TABLE): View(f"{name}: trials by ARG", table),
        view_key(run_key, CHARTS): View(f"{name}: charts", drawn),
    }


def _state(run: str, params: Sequence[str]) -> dict[str, Any]:
    """Return what both views share: which runs, in which order, with which columns."""
    metrics = ("arg", "arg_low", "arg_high")
    return {
        "searchFilter": f"tags.mlflow.parentRunId = '{run}'",
        "orderByKey": "metrics.`arg`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"metrics.`{metric}`" for metric in metrics),
            *(f"params.`{param}`" for param in params),
            "tags.`mpt.state`",
            "tags.`mpt.best`",
        ],
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "SHOWALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }


def _chart(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "uuid": f"mpt-{kind.lower()}-{name.lower().replace(' ', '-')}",
        "type": kind,
        "runsCountToCompare": _MOST,
        "metricSectionId": _SECTION,
        "deleted": False,
        "isGenerated": False,
        "displayName": name,
        **fields,
    }


def _parallel(params: Sequence[str]) -> dict[str, Any]:
    name = "Searched parameters and ARG"
    chosen = {"selectedParams": list(params), "selectedMetrics": ["arg"]}
    return _chart("PARALLEL", name, **chosen, showAllRuns=False)


def _scatter(name: str, metric: str) -> dict[str, Any]:
    axes = {"xaxis": _axis(metric, "METRIC"), "yaxis": _axis("arg", "METRIC")}
    return _chart("SCATTER", name, **axes)


def _contour(first: str, second: str) -> dict[str, Any]:
    axes = {"xaxis": _axis(first, "PARAM"), "yaxis": _axis(second, "PARAM")}
    return _chart("CONTOUR", "ARG by rates", **axes, zaxis=_axis("arg", "METRIC"))


def _axis(key: str, kind: str) -> dict[str, str]:
    return {"key": key, "type": kind}


def _line(metric: str) -> dict[str, Any]:
    return _chart(
        "LINE",
        metric,
        metricKey=metric,
        selectedMetricKeys=[metric],
        lineSmoothness=0,
        xAxisScaleType="linear",
        scaleType="linear",
        range={},
        xAxisKey="step",
        selectedXAxisMetricKey="",
        yAxisKey="metric",
        yAxisExpressions=[],
        ignoreOutliers=False,
        useGlobalXaxisKey=True,
        useGlobalLineSmoothing=True,
    )
