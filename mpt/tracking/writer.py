"""Write records to MLflow: runs are found by their key, so that sending twice changes nothing."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from mpt.store.artefacts import SHA256, file_sum
from mpt.tracking.client import connect, disconnect
from mpt.tracking.inputs import dataset_inputs
from mpt.tracking.model_folder import save_model
from mpt.tracking.server_errors import Faults
from mpt.tracking.spool import SpoolEntry
from mpt.tracking.tracker import ANY, NOTE, own_name
from mpt.tracking.uploader import Refused
from mpt.tracking.views import VIEW, study_views

PARENT = "mlflow.parentRunId"
"""The tag by which MLflow nests a run under another one."""

KEY = "mpt.key"
DIGEST = "mpt.digest"
OWNER = "mpt.study_id"
"""The tag of a registered model that says which study it belongs to."""

_RACES = 8
"""Attempts to send one record where another process is a moment faster."""

_IDENTITY = re.compile(r"/([0-9a-f]{12})/")

_ABOUT = """\
Runs of mpt: a run with runs below it is a search (its trials) or a promotion (its meta-trainings).

`arg` is the average relative gain, in percent, over plain prompt tuning. Each search has two saved
views under *Views*: its trials by ARG, and charts. `mpt ui` prints links to them.
"""

_VALUE = 6000
_METRICS, _PARAMS = 1000, 100
"""MLflow's limits: characters of a param's value, metrics and params of one batch."""


class _Gone(Exception):
    """Signal that a run was deleted since it was found: it was the younger of two with its key."""


class Delivery:
    """Send records to an MLflow store or server; for use by one thread.

    Args:
        uri: a server's address, or the URL of a database.
        experiment: the MLflow experiment of the runs; created if it is missing.
        artifacts: the folder for files when ``uri`` is a database.
    """

    def __init__(self, uri: str, experiment: str, artifacts: Path) -> None:
        self._uri, self._experiment, self._artifacts = uri, experiment, artifacts
        self._runs: dict[str, str] = {}
        self._earlier: set[str] = set()
        self._client: Any = None
        self._experiment_id = ""
        self._faults = Faults(uri)

    def __call__(self, entry: SpoolEntry) -> None:
        """Send a record.

        Raises:
            Refused: MLflow will never accept it.
            Resisted: MLflow accepts others, but not this one.
            ConnectionError: MLflow accepts nothing; the message quotes MLflow's.
        """
        try:
            if self._client is None:
                self._client = connect(self._uri, self._artifacts)
            self._send_beside_others(entry)
            self._faults.clear()
        except Refused:
            raise
        except Exception as error:
            # cached ids may be what is wrong: look everything up again
            self._forget()
            record = entry.record
            name = f" {record['name']!r}" if record.get("name") else ""
            about = f"{record['do']}{name} of run {record['key']!r}"
            raise self._faults.sorted(error, about, self._takes_others) from error

    def _send_beside_others(self, entry: SpoolEntry) -> None:
        """Send a record again where another process wrote the same or deleted its run meanwhile."""
        Retrying(
            retry=retry_if_exception(lambda error: _is_gone(error) or _is_being_written(error)),
            stop=stop_after_attempt(_RACES),
            before_sleep=lambda _: self._forget(),
            reraise=True,
        )(self._send, entry)

    def _forget(self) -> None:
        self._runs.clear()
        self._experiment_id = ""

    def _takes_others(self) -> bool:
        """Return whether the server accepts the smallest possible write."""
        try:
            self._client.set_experiment_tag(self._its_experiment(), "mpt.asked", str(time.time()))
        except Exception:
            # whatever it raises, this server accepts nothing at the moment
            return False
        return True

    def _send(self, entry: SpoolEntry) -> None:
        match entry.record["do"]:
            case "open":
                self._open(entry)
            case "metrics":
                self._metrics(entry)
            case "text":
                self._text(entry)
            case "file":
                self._file(entry)
            case "tag":
                self._tag(self._run(entry.record["key"]), _texts(entry.record["tags"]))
            case "inputs":
                self._inputs(entry)
            case "views":
                self._views(entry)
            case "register":
                self._register(entry)
            case "close":
                self._close(entry)
            case other:
                raise Refused(
                    f"this version of mpt cannot send records of type {other!r}; see refused.jsonl"
                )

    def close(self) -> None:
        """Close the connections of a local store."""
        client, self._client = self._client, None
        disconnect(client)

    def _open(self, entry: SpoolEntry) -> None:
        record = entry.record
        if record["key"] in self._runs:
            self._earlier.add(self._runs[record["key"]])
        run = self._run(record["key"], record)
        stored = self._client.get_run(run)
        if stored.info.status != "RUNNING":
            self._client.update_run(run, status="RUNNING")
        if stored.info.run_name != record["name"] and stored.info.run_name in _names(record["key"]):
            self._client.update_run(run, name=record["name"])
        params, logged = _texts(record["params"]), stored.data.params
        # MLflow's params cannot be overwritten; what changed since becomes a tag
        changed = {f"now.{k}": v for k, v in params.items() if logged.get(k, v) != v}
        self._log(run, {k: v for k, v in params.items() if k not in logged})
        parent = {PARENT: self._living(record["parent"])} if record["parent"] else {}
        self._tag(run, {**_texts(record["tags"]), **changed, **parent})

    def _metrics(self, entry: SpoolEntry) -> None:
        from mlflow.entities import Metric

        run, rows = self._run(entry.record["key"]), entry.record["points"]
        points = [Metric(_name(n), v, time, step) for n, v, step, time in rows]
        if run in self._earlier:
            logged = {name: self._history(run, name) for name in {p.key for p in points}}
            points = [p for p in points if (p.step, str(p.value)) not in logged[p.key]]
        for start in range(0, len(points), _METRICS):
            self._client.log_batch(run, metrics=points[start : start + _METRICS])

    def _history(self, run: str, name: str) -> set[tuple[int, str]]:
        """Return the points, (step, value), that a run already has, whatever their time."""
        return {(p.step, str(p.value)) for p in self._client.get_metric_history(run, name)}

    def _text(self, entry: SpoolEntry) -> None:
        record = entry.record
        self._client.log_text(self._living(record["key"]), record["text"], record["name"])

    def _file(self, entry: SpoolEntry) -> None:
        record, file = entry.record, _there(entry)
        run, name = self._living(record["key"]), record.get("name") or file.name
        if Path(name).name != name:
            raise Refused(
                f"the file of run {record['key']!r} is to be called {name!r}, a path; "
                "see refused.jsonl"
            )
        with tempfile.TemporaryDirectory() as folder:
            # without room for a copy, the outbox names the original; MLflow keeps a file's name
            if file.name != name:
                file = shutil.copyfile(file, Path(folder) / name)
            self._client.log_artifact(run, str(file), record["folder"] or None)

    def _close(self, entry: SpoolEntry) -> None:
        record = entry.record
        run = self._run(record["key"])
        self._tag(run, _texts(record["tags"]))
        self._client.set_terminated(run, record["state"].upper(), record["time"])

    def _register(self, entry: SpoolEntry) -> None:
        record = entry.record
        run, digest = self._living(record["key"]), record["digest"]
        name = self._own_model(record["model"], record.get("owner") or "")
        if not any(version.run_id == run for version in self._versions(name, digest)):
            self._make_version(entry, run, name)
        # another process may have made one meanwhile: the first one stays
        versions = self._versions(name, digest)
        kept = next(version for version in versions if version.run_id == run)
        for other in versions:
            if other is not kept and self._is_double(other, record["key"]):
                self._delete_version(other)
        if self._may_move(name, record):
            self._client.set_registered_model_alias(name, record["alias"], kept.version)

    def _may_move(self, name: str, record: Mapping[str, Any]) -> bool:
        """Return whether a model's alias may move to the version of a record."""
        # records of earlier versions of mpt move it in any case
        if (replaces := record.get("replaces", ANY)) == ANY:
            return True
        holder = self._client.get_registered_model(name).aliases.get(record["alias"])
        if holder is None:
            return True
        digest = self._client.get_model_version(name, holder).tags.get(DIGEST)
        return digest in (replaces, record["digest"])

    def _own_model(self, name: str, owner: str) -> str:
        """Return the name of the study's registered model, creating it if it is missing.

        A model of this name that belongs to another study is left alone; one without an owner tag
        is taken over, unless its versions are another study's.

        Raises:
            Refused: both possible names belong to other studies.
        """
        from mlflow.exceptions import MlflowException

        for own in (name, own_name(name, owner)):
            try:
                self._client.create_registered_model(own, tags={OWNER: owner} if owner else {})
                return own
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            if not owner or self._owner_of(own) in ("", owner):
                if owner:
                    self._client.set_registered_model_tag(own, OWNER, owner)
                return own
        raise Refused(
            f"the models {name} and {own_name(name, owner)} belong to other studies; rename one in "
            "MLflow, then run `mpt sync --rebuild`"
        )

    def _owner_of(self, name: str) -> str:
        """Return the identity of the study that a model belongs to; empty if it is unknown.

        It is in the model's owner tag, or in the keys TITLE/IDENTITY/KIND/... of its versions'
        runs.
        """
        if owner := self._client.get_registered_model(name).tags.get(OWNER):
            return owner
        for registered in self._client.search_model_versions(f"name = '{name}'"):
            key = self._client.get_run(registered.run_id).data.tags.get(KEY, "")
            if match := _IDENTITY.search(key):
                return match[1]
        return ""

    def _versions(self, name: str, digest: str) -> list[Any]:
        """Return the versions of a model that hold this prompt, the oldest first."""
        versions = self._client.search_model_versions(f"name = '{name}'")
        same = [version for version in versions if version.tags.get(DIGEST) == digest]
        return sorted(same, key=lambda version: int(version.version))

    def _is_double(self, version: Any, key: str) -> bool:
        """Return whether a version was made by the run of this key, or by a deleted duplicate."""
        run = self._client.get_run(version.run_id)
        is_the_run = run.info.run_id == self._runs[key]
        return run.data.tags.get(KEY) == key and (
            is_the_run or run.info.lifecycle_stage == "deleted"
        )

    def _delete_version(self, version: Any) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.delete_model_version(version.name, version.version)
        except MlflowException as error:
            # another process deleted it first
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def _make_version(self, entry: SpoolEntry, run: str, name: str) -> None:
        record, prompt = entry.record, _there(entry)
        sha256 = record["config"].get(SHA256)
        if sha256 and file_sum(prompt) != sha256:
            raise Refused(
                f"{prompt}, a copy of the prompt of {record['digest']}, is damaged; "
                "see refused.jsonl"
            )
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            save_model(model, prompt=prompt, config=record["config"])
            self._client.log_artifacts(run, str(model), "model")
        tags = {**_texts(record.get("tags") or {}), DIGEST: record["digest"]}
        source, note = f"runs:/{run}/model", record.get("note") or None
        self._client.create_model_version(name, source, run, tags=tags, description=note)

    def _run(self, key: str, record: Mapping[str, Any] | None = None) -> str:
        """Return the id of the run with this key; create it if missing, as on a new server."""
        if key not in self._runs:
            experiment = self._its_experiment()
            if run := self._oldest(experiment, key):
                self._earlier.add(run)
            else:
                run = self._made(experiment, key, record)
            self._runs[key] = run
        return self._runs[key]

    def _living(self, key: str) -> str:
        """Return the id of the run with this key.

        For writes that MLflow would also accept for a deleted run.

        Raises:
            _Gone: the run was deleted.
        """
        run = self._run(key)
        if self._client.get_run(run).info.lifecycle_stage != "active":
            raise _Gone
        return run

    def _made(self, experiment: str, key: str, record: Mapping[str, Any] | None) -> str:
        record = record or {"parent": None, "name": key, "time": None}
        tags = {KEY: key, "mlflow.user": _user(), "mlflow.source.name": "mpt"}
        if record["parent"]:
            tags[PARENT] = self._living(record["parent"])
        created = self._client.create_run(experiment, record["time"], tags, run_name=record["name"])
        # another process may have created one meanwhile
        run = self._oldest(experiment, key) or created.info.run_id
        if run != created.info.run_id:
            self._earlier.add(run)
        return run

    def _oldest(self, experiment: str, key: str) -> str:
        """Return the run with this key, or empty; merge duplicates into the oldest one."""
        runs = self._client.search_runs([experiment], f"tags.`{KEY}` = '{key}'")
        runs = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
        for younger in runs[1:]:
            duplicate, kept = younger.info.run_id, runs[0].info.run_id
            self._merge(younger, kept)
            self._client.delete_run(duplicate)
            children = f"tags.`{PARENT}` = '{duplicate}'"
            for child in self._client.search_runs([experiment], children):
                self._client.set_tag(child.info.run_id, PARENT, kept)
        return runs[0].info.run_id if runs else ""

    def _merge(self, younger: Any, run: str) -> None:
        """Copy into a run what was logged to its duplicate."""
        kept = self._client.get_run(run).data
        data = younger.data
        self._log(run, {k: v for k, v in data.params.items() if k not in kept.params})
        self._tag(run, {k: v for k, v in data.tags.items() if k not in kept.tags})
        for name in data.metrics:
            logged = self._history(run, name)
            history = self._client.get_metric_history(younger.info.run_id, name)
            new = [point for point in history if (point.step, str(point.value)) not in logged]
            for start in range(0, len(new), _METRICS):
                self._client.log_batch(run, metrics=new[start : start + _METRICS])

    def _its_experiment(self) -> str:
        if not self._experiment_id:
            experiment = self._client.get_experiment_by_name(self._experiment)
            experiment = experiment or self._new_experiment()
            if experiment.lifecycle_stage != "active":
                raise LookupError(
                    f"experiment {self._experiment!r} was deleted there; restore it with "
                    f"`mlflow experiments restore -x {experiment.experiment_id}`"
                )
            self._experiment_id = experiment.experiment_id
        return self._experiment_id

    def _new_experiment(self) -> Any:
        from mlflow.exceptions import MlflowException

        here = None if self._uri.startswith("http") else self._artifacts.as_uri()
        try:
            self._client.create_experiment(
                self._experiment, artifact_location=here, tags={NOTE: _ABOUT}
            )
        except MlflowException as error:
            # another process was quicker
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.get_experiment_by_name(self._experiment)

    def _log(self, run: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        every = [Param(key, value) for key, value in params.items()]
        for start in range(0, len(every), _PARAMS):
            self._client.log_batch(run, params=every[start : start + _PARAMS])

    def _inputs(self, entry: SpoolEntry) -> None:
        self._client.log_inputs(
            self._run(entry.record["key"]), datasets=dataset_inputs(entry.record["data"])
        )

    def _views(self, entry: SpoolEntry) -> None:
        record = entry.record
        views = study_views(
            record["key"], self._run(record["key"]), record["name"], record["params"]
        )
        for name, view in views.items():
            text = view.tag(record["time"])
            self._client.set_experiment_tag(self._its_experiment(), f"{VIEW}{name}", text)

    def _tag(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        empty = [key for key, value in tags.items() if not value]
        stored = self._client.get_run(run).data.tags if empty else {}
        for key in empty:
            if key in stored:
                self._client.delete_tag(run, key)
        every = [RunTag(key, value) for key, value in tags.items() if value]
        for start in range(0, len(every), _PARAMS):
            self._client.log_batch(run, tags=every[start : start + _PARAMS])


def _is_being_written(error: BaseException) -> bool:
    """Return whether another process writes the same, so that little or nothing is left to do."""
    # of folders in which two processes write the same files, each is made by one of them
    if isinstance(error, FileExistsError):
        return True
    return re.search(r"IntegrityError|UniqueViolation|UNIQUE constraint", str(error)) is not None


def _is_gone(error: BaseException) -> bool:
    return isinstance(error, _Gone) or "must be in the 'active' state" in str(error)


def _names(key: str) -> tuple[str, ...]:
    """Return the names that the run of a key may have if no user gave it one.

    A record that came before the one with its name made a run of the key's name; versions of mpt
    that counted trials from 1 named runs of trials as their keys end.
    """
    study, end = key.partition("/")[0], key.rpartition("/")[2]
    return key, end, f"{study} {end}"


def _there(entry: SpoolEntry) -> Path:
    if entry.fault:
        raise Refused(f"{entry.fault} (run {entry.record['key']!r})")
    if entry.file is None or not entry.file.is_file():
        raise Refused(
            f"the file {entry.file} of run {entry.record['key']!r} is gone; see refused.jsonl"
        )
    return entry.file


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # a user in a container may have no name
        return str(os.getuid())


def _name(text: str) -> str:
    """Return a name that MLflow accepts for a metric, param or tag."""
    return re.sub(r"[^\w./: -]", "_", text.replace("->", " to "))[:250]


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Convert values to what MLflow stores: texts of bounded length."""
    texts = {_name(k): v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return {k: v if len(v) <= _VALUE else f"{v[: _VALUE - 1]}…" for k, v in texts.items()}
