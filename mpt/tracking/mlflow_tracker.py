"""Log what the lab does to MLflow: through an outbox on disk, so that nothing waits for it."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from mpt.errors import InputError, StoreError
from mpt.files.escaping import csv_table
from mpt.store.home import Home, tracking_variable
from mpt.tracking.client import expect_schema, with_some_home
from mpt.tracking.moved_home import follow_move
from mpt.tracking.outbox import orphans
from mpt.tracking.tracker import DataSet, End, NullTracker, Point, PromptModel, RunKey, Tracker
from mpt.tracking.uploader import Shipper, Warn, deliver_all
from mpt.tracking.writer import Delivery

__all__ = [
    "MlflowTracker",
    "NullTracker",
    "Point",
    "PromptModel",
    "RunKey",
    "Tracker",
    "expect_free",
    "serve_ui",
    "sync",
    "ui_environment",
]

CLOSE_TIMEOUT_S = 60.0
"""Seconds that closing waits for a server that answers; a new database alone takes ten."""

INTERRUPT_TIMEOUT_S = 2.0
"""Seconds that closing waits when the user interrupts mpt."""

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class MlflowTracker:
    """Log to MLflow: a background thread sends the records, in order, each exactly once.

    A call costs one line on disk. Records that the server has not accepted when the process ends,
    or is killed, are sent first by the next tracker on the same home, or by ``sync``.

    Args:
        uri: an MLflow server's address, or the URL of a database.
        experiment: the MLflow experiment of the runs.
        home: holds the outbox, and the artifacts of a database.
        warn: called with a message when the server does not answer, and when it does again.
    """

    def __init__(self, uri: str, experiment: str, home: Home, warn: Warn | None = None) -> None:
        self._warn = warn or logging.getLogger("mpt.tracking").warning
        self._outbox = home.outbox
        self._delivery = Delivery(uri, experiment, home.artifacts)
        self._shipper = Shipper(home.outbox, self._delivery, self._warn)
        self._trouble = ""
        server = f" --tracking-uri {Home.shown(uri)}" if uri.startswith("http") else ""
        self._sync = f"mpt sync{server}"

    def __enter__(self) -> MlflowTracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(INTERRUPT_TIMEOUT_S if kind is KeyboardInterrupt else CLOSE_TIMEOUT_S)

    @property
    def unsent(self) -> int:
        """Number of records that the server has not accepted yet."""
        return self._shipper.unsent

    def open_study(
        self,
        study: str,
        *,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        key: str = "",
        started_ms: int = 0,
    ) -> RunKey:
        """Open a study's parent run, see ``Tracker``."""
        return self.open_run(
            key or study, parent=None, name=study, params=params, tags=tags, started_ms=started_ms
        )

    def open_run(
        self,
        key: str,
        *,
        parent: RunKey | None,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        started_ms: int = 0,
    ) -> RunKey:
        """Open a run, see ``Tracker``."""
        # keys stand in a filter of MLflow between single quotes
        run = RunKey((f"{parent}/{key}" if parent else key).replace("'", "_"))
        fields = {"parent": parent, "name": name, "params": dict(params), "tags": dict(tags)}
        self._tell("open", run, **fields, time=started_ms or _now())
        return run

    def tag(self, run: RunKey, tags: Mapping[str, str]) -> None:
        """Set tags, see ``Tracker``."""
        self._tell("tag", run, tags=dict(tags))

    def inputs(self, run: RunKey, data: Sequence[DataSet]) -> None:
        """Log the rows that a run reads, see ``Tracker``."""
        if data:
            self._tell("inputs", run, data=[asdict(one) for one in data])

    def views(self, run: RunKey, name: str, params: Sequence[str]) -> None:
        """Save views of the runs below a run, see ``Tracker``."""
        self._tell("views", run, name=name, params=list(params), time=_now())

    def metrics(self, run: RunKey, points: Sequence[Point]) -> None:
        """Log points of curves, see ``Tracker``."""
        now = _now()
        rows = [(p.name, _finite(p.value), int(p.step), p.time_ms or now) for p in points]
        if rows:
            self._tell("metrics", run, points=rows)

    def table(self, run: RunKey, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Log a table as CSV, see ``Tracker``."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = csv_table([columns, *([row.get(column) for column in columns] for row in rows)])
        self.text(run, name if name.endswith(".csv") else f"{name}.csv", text)

    def text(self, run: RunKey, name: str, text: str) -> None:
        """Log a text file, see ``Tracker``."""
        self._tell("text", run, name=name, text=text)

    def artifact(self, run: RunKey, path: Path, folder: str = "", name: str = "") -> None:
        """Log a file or folder, see ``Tracker``."""
        if path.is_dir():
            for file in sorted(inner for inner in path.rglob("*") if inner.is_file()):
                below = file.parent.relative_to(path)
                self._tell("file", run, file=file, folder=(Path(folder) / below).as_posix())
        else:
            self._tell("file", run, file=path, name=name, folder=folder)

    def register_prompt(self, run: RunKey, model: PromptModel) -> None:
        """Register a prompt as a model version, see ``Tracker``."""
        fields: dict[str, object] = {"model": model.name, "alias": model.alias}
        fields["digest"] = model.digest
        fields |= {"owner": model.owner, "replaces": model.replaces, "note": model.note}
        fields["tags"] = dict(model.tags)
        name, config = "prompt.safetensors", dict(model.config)
        self._tell("register", run, file=model.file, name=name, config=config, **fields)

    def close_run(
        self, run: RunKey, state: End, tags: Mapping[str, str], ended_ms: int = 0
    ) -> None:
        """Close a run, see ``Tracker``."""
        self._tell("close", run, state=state, tags=dict(tags), time=ended_ms or _now())

    def flush(self, timeout: float) -> int:
        """Wait until everything is sent, see ``Tracker``."""
        return self._shipper.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Close as in ``Tracker``, and warn of unsent records and how to send them."""
        left = self._shipper.close(timeout)
        if not self._shipper.is_alive:
            self._delivery.close()
        lost = self._shipper.own.in_memory
        if lost:
            self._warn(
                f"{lost} tracking records could not be written to {self._outbox} and are lost with "
                f"this process; `{self._sync} --rebuild` logs everything again from the ledger"
            )
        if left > lost:
            self._warn(
                f"{left - lost} tracking records wait in {self._outbox}; `{self._sync}` sends them"
            )

    def _tell(self, do: str, run: RunKey, *, file: Path | None = None, **fields: object) -> None:
        spool = self._shipper.own
        spool.append({"do": do, "key": run, **fields}, file, str(fields.get("name", "")))
        if spool.trouble and not self._trouble:
            self._warn(
                f"the outbox {self._outbox} cannot be written ({spool.trouble}), so that records "
                "wait in memory and are lost if this process dies; make room"
            )
        self._trouble = spool.trouble
        self._shipper.wake()


def sync(
    home: Home, uri: str, *, experiment: str | None = None, warn: Warn | None = None
) -> tuple[int, int]:
    """Send the records that dead processes left in the outbox.

    Records of a live process are left to it, and are neither sent nor counted.

    Returns:
        How many records were sent, and how many are left.
    """
    say = warn or logging.getLogger("mpt.tracking").warning
    spools = orphans(home.outbox, say)
    delivery = Delivery(uri, experiment or home.experiment, home.artifacts)
    try:
        sent = deliver_all(spools, delivery, outbox=home.outbox, warn=say)
        return sent, sum(spool.left for spool in spools)
    finally:
        delivery.close()
        for spool in spools:
            spool.close()


def expect_free(host: str, port: int) -> None:
    """Raise ``InputError`` if nothing can listen at an address, as something does already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # as the server does: a connection that was closed a moment ago is no obstacle
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"the pages cannot be served at {host} port {port} ({error.strerror or error})",
                fix=f"choose another port, such as --port {port + 1}",
            ) from None


def serve_ui(home: Home, host: str, port: int, names: Sequence[str] = ()) -> NoReturn:
    """Replace this process by a server of MLflow's web pages for the home's store.

    Args:
        home: whose store is shown.
        host, port: where to listen.
        names: host names, ``NAME`` or ``NAME:PORT``, under which browsers may request the pages,
            besides ``host`` and the loopback names. Other names are refused, against DNS rebinding.

    Raises:
        StoreError: runs are tracked on a server, which has its own pages.
    """
    shown = f"[{host}]" if ":" in host else host
    # browsers leave out port 80
    allowed = [text for name in (*_LOOPBACK, shown) for text in (name, f"{name}:{port}")]
    environment = {
        **ui_environment(home),
        # without a list MLflow would accept every private address
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join([*allowed, *names]),
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    }
    expect_schema(home.tracking_uri)
    follow_move(home.tracking_uri, home.artifacts)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    sys.stdout.flush()
    # replaced rather than spawned: a signal that ends mpt would leave a child running
    words = ["--workers", "1", "--uvicorn-opts", "--no-access-log"]
    os.execve(command[0], [*command, *words], environment)


def ui_environment(home: Home) -> dict[str, str]:
    """Return the environment of MLflow's server: other users cannot see its passwords there.

    Raises:
        StoreError: runs are tracked on a server.
    """
    if home.tracking_uri.startswith("http"):
        raise StoreError(
            f"runs are tracked on {Home.shown(home.tracking_uri)}",
            fix=f"open that in a browser, or unset {tracking_variable()} to see the local store",
        )
    with_some_home()
    return {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": home.tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": home.artifacts.as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # deprecations inside MLflow are for its developers
        "PYTHONWARNINGS": "ignore",
    }


def _finite(value: float) -> float:
    """Return the number that MLflow stores: its databases hold NaN, but not infinity."""
    number = float(value)
    return math.copysign(sys.float_info.max, number) if math.isinf(number) else number


def _now() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000
