"""MLflow's client: quiet, impatient, and never left with half a database."""

from __future__ import annotations

import logging
import os
import warnings
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from mpt.storage import made_beside

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # the outbox retries; a call that hangs only delays the next one
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_NOISE = ("The ``noload`` loader", r".*type hint .*is inferred as AnyType")
"""Warnings that MLflow 3.17 draws by itself; under -W error they would look like outages."""


def connect(uri: str) -> Any:
    """A client of a server or database; the import and a new database's tables take seconds."""
    _make_whole(uri)
    return _client(uri)


def disconnect(client: Any) -> None:
    """Close the connections of a local store."""
    for part in ("_tracking_client", "_registry_client"):
        store = getattr(getattr(client, part, None), "store", None)
        if engine := getattr(store, "engine", None):
            engine.dispose()


def answer(uri: str, seconds: float) -> float | None:
    """Ask a server something that needs the right to read; seconds since 1970 by its clock.

    Raises whatever MLflow's client raises, and ``ConnectionError`` for a reply that is a refusal.
    """
    _quiet()
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    reply: Any = http_request(
        get_default_host_creds(uri),
        "/api/2.0/mlflow/experiments/search",
        "GET",
        max_retries=0,
        timeout=seconds,
        params={"max_results": 1},
    )
    if reply.status_code != 200:
        raise ConnectionError(f"{reply.status_code} {reply.reason}: {reply.text}")
    date = reply.headers.get("Date")
    return parsedate_to_datetime(date).timestamp() if date else None


def _quiet() -> None:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _client(uri: str) -> Any:
    _quiet()
    from mlflow import MlflowClient

    for noise in _NOISE:
        warnings.filterwarnings("ignore", noise)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # it prints the traceback of an error that is raised, and told, anyway
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make_whole(uri: str) -> None:
    """Make MLflow's database file beside its place and put it there, if there is none yet."""
    file = Path(uri.partition(":///")[2].partition("?")[0])
    if not uri.startswith("sqlite:///") or file.exists():
        return
    with made_beside(file) as new:
        client = _client(f"sqlite:///{new}")
        client.search_experiments(max_results=1)
        disconnect(client)
