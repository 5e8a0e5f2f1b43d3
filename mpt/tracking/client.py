"""MLflow's client: quiet, with short timeouts, and never leaving a half-made database."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from mpt.errors import StoreError
from mpt.files.atomic import made_beside
from mpt.store.address import sqlite_file, sqlite_url
from mpt.store.database import OPENING, survey
from mpt.store.home import tracking_variable
from mpt.store.schema import MLFLOW, schema_error, schema_fault
from mpt.tracking.moved_home import follow_move

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # the outbox retries; a retry in here would only delay the records behind
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_NOISE = ("The ``noload`` loader", r".*type hint .*is inferred as AnyType")
"""Warnings that MLflow 3.17 causes itself; under -W error they would look like outages."""


def connect(uri: str, artifacts: Path | None = None) -> Any:
    """Open a client of a server or database, which may take seconds to import and to create.

    Args:
        uri: a server's address, or the URL of a database.
        artifacts: the folder of files of a home's own database, see ``follow_move``.

    Raises:
        StoreError: the database is of an older or newer MLflow; else whatever MLflow raises.
    """
    _make_whole(uri)
    if artifacts is not None:
        follow_move(uri, artifacts)
    # MLflow checks the schema late, and reports a newer one as outdated
    expect_schema(uri)
    return _client(uri)


def expect_schema(uri: str) -> None:
    """Raise ``StoreError`` if an existing database was made by an older or newer MLflow."""
    file = sqlite_file(uri)
    if not uri.startswith(("sqlite", "postgres")) or (file and not file.exists()):
        return
    variable = tracking_variable()
    try:
        database = survey(uri, "tracking store", variable, OPENING)
    except StoreError:
        # MLflow itself reports what is wrong
        return
    is_mlflows = "runs" in database.tables
    if is_mlflows and (fault := schema_fault(uri, variable, MLFLOW, database.revision)):
        raise schema_error("tracking store", uri, fault)


def disconnect(client: Any) -> None:
    """Close the connections of a local store."""
    for part in ("_tracking_client", "_registry_client"):
        store = getattr(getattr(client, part, None), "store", None)
        if engine := getattr(store, "engine", None):
            engine.dispose()


def answer(uri: str, seconds: float) -> float | None:
    """Send a server a request that needs read permission; return its clock.

    Args:
        uri: the server's address.
        seconds: timeout.

    Returns:
        Seconds since 1970 by the server's clock; None if the reply has no date.

    Raises:
        ConnectionError: the server refused; else whatever MLflow's client raises.
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


def with_some_home() -> None:
    """Set ``HOME`` if the user has no home folder, as in a container.

    MLflow looks for settings there, and fails if there is no such folder.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def _quiet() -> None:
    with_some_home()
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _client(uri: str) -> Any:
    _quiet()
    from mlflow import MlflowClient

    for noise in _NOISE:
        warnings.filterwarnings("ignore", noise)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # it prints the traceback of an error that it raises, and that is reported, anyway
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make_whole(uri: str) -> None:
    """Create MLflow's database file next to its place and move it there, if there is none."""
    file = sqlite_file(uri)
    if file is None or file.exists():
        return
    with made_beside(file) as new:
        client = _client(sqlite_url(new))
        client.search_experiments(max_results=1)
        disconnect(client)
