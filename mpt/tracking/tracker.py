"""The tracker protocol: what the lab logs; and the tracker that discards everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType, Protocol

RunKey = NewType("RunKey", str)
"""A run's permanent name: the same key is the same run, on every server and after a crash."""

NOTE = "mlflow.note.content"
"""Tag that MLflow's pages show as the description of a run, experiment or model."""

BEST, PROMOTED = "mpt.best", "mpt.promoted"
"""Tags of the trial with the highest ARG, and of trials that were promoted: ``yes``."""

End = Literal["finished", "failed", "killed"]

ANY, NONE = "*", ""
"""Which version of a model may lose its alias to a new one: any, or none; else one digest's."""


@dataclass(frozen=True)
class Point:
    """Hold one value of a curve; ``time_ms`` is since 1970, 0 for the time of logging."""

    name: str
    value: float
    step: int = 0
    time_ms: int = 0


@dataclass(frozen=True)
class PromptModel:
    """Describe a prompt to be registered as a version of a model that predicts.

    Attributes:
        name: of the registered model, e.g. ``mpt-mini-reptile``.
        digest: of the unit that made the prompt; registering it again makes no second version.
        file: the prompt's safetensors file.
        config: what ``mpt.serve.predict.predict`` needs besides the file, as JSON.
        alias: moved to this version, unless another version has it that may not lose it.
        replaces: digest of the version that may lose the alias, or ``ANY`` or ``NONE``.
        owner: identity of the study; where a model of this name belongs to another study, the
            prompt is registered under ``own_name`` instead.
        tags: of the version.
        note: the version's description, in Markdown.
    """

    name: str
    digest: str
    file: Path
    config: Mapping[str, object]
    alias: str = "champion"
    replaces: str = ANY
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""


@dataclass(frozen=True)
class DataSet:
    """Describe the rows of a task that a run reads.

    Attributes:
        name: of the task.
        digest: of its rows.
        context: what they are read for, e.g. ``meta-training``.
        source: where they come from: a gym's name or folder.
        seeds: the data seeds of the splits.
    """

    name: str
    digest: str
    context: str
    source: str
    seeds: tuple[int, ...] = ()


def own_name(name: str, owner: str) -> str:
    """Return the name of a study's model where another study already has ``name``."""
    return f"{name}-{owner}"


class Tracker(Protocol):
    """Log runs, metrics and files; calls return quickly and never raise because of a server.

    Every call is idempotent. The contract is tested in
    ``tests/contracts/test_tracker_contract.py``.
    """

    @property
    def unsent(self) -> int:
        """Number of records that the server has not accepted yet."""
        ...

    def open_study(
        self,
        study: str,
        *,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        key: str = "",
        started_ms: int = 0,
    ) -> RunKey:
        """Open a study's parent run; ``key`` identifies it where ``study`` alone does not."""
        ...

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
        """Begin or continue a run under ``parent``.

        Args:
            key: unique among its siblings.
            parent: the run that it belongs to, if any.
            name: shown to people.
            params: settings; the first value of each stays.
            tags: overwritten by later ones; an empty one is removed.
            started_ms: milliseconds since 1970, 0 for now; of a run that begins.
        """
        ...

    def tag(self, run: RunKey, tags: Mapping[str, str]) -> None:
        """Set tags of a run, open or closed; an empty one is removed."""
        ...

    def inputs(self, run: RunKey, data: Sequence[DataSet]) -> None:
        """Log the rows that a run reads; the same ones are logged only once."""
        ...

    def views(self, run: RunKey, name: str, params: Sequence[str]) -> None:
        """Save views of the runs below ``run``: a table sorted by ARG, and charts.

        Args:
            run: of a study.
            name: of the study.
            params: the searched parameters, as the runs name them.
        """
        ...

    def metrics(self, run: RunKey, points: Sequence[Point]) -> None:
        """Log points of curves; the same value at the same step is logged only once."""
        ...

    def table(self, run: RunKey, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Log a table as the file ``name``.csv; columns are the keys, in order of appearance."""
        ...

    def text(self, run: RunKey, name: str, text: str) -> None:
        """Log a text file called ``name``."""
        ...

    def artifact(self, run: RunKey, path: Path, folder: str = "", name: str = "") -> None:
        """Log a file (as ``name``) or all files of a folder, under ``folder``, copied at once."""
        ...

    def register_prompt(self, run: RunKey, model: PromptModel) -> None:
        """Register a prompt that ``run`` made as a version of a model."""
        ...

    def close_run(
        self, run: RunKey, state: End, tags: Mapping[str, str], ended_ms: int = 0
    ) -> None:
        """Close a run, at ``ended_ms`` since 1970 or now; opening it again continues it."""
        ...

    def flush(self, timeout: float) -> int:
        """Wait, ``timeout`` seconds at most, until all is sent; return how many records are not."""
        ...

    def close(self) -> None:
        """Send what can be sent within a bounded time; keep the rest on disk."""
        ...


class NullTracker:
    """Discard everything; the baseline for measurements of overhead."""

    unsent = 0

    def __enter__(self) -> NullTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_study(
        self,
        study: str,
        *,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        key: str = "",
        started_ms: int = 0,
    ) -> RunKey:
        """Return the key that ``Tracker.open_study`` would."""
        return RunKey(key or study)

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
        """Return the key that ``Tracker.open_run`` would."""
        return RunKey(f"{parent}/{key}" if parent else key)

    def tag(self, run: RunKey, tags: Mapping[str, str]) -> None:
        """Ignore the tags."""

    def inputs(self, run: RunKey, data: Sequence[DataSet]) -> None:
        """Ignore the data."""

    def views(self, run: RunKey, name: str, params: Sequence[str]) -> None:
        """Ignore the views."""

    def metrics(self, run: RunKey, points: Sequence[Point]) -> None:
        """Ignore the points."""

    def table(self, run: RunKey, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Ignore the table."""

    def text(self, run: RunKey, name: str, text: str) -> None:
        """Ignore the text."""

    def artifact(self, run: RunKey, path: Path, folder: str = "", name: str = "") -> None:
        """Ignore the file."""

    def register_prompt(self, run: RunKey, model: PromptModel) -> None:
        """Ignore the prompt."""

    def close_run(
        self, run: RunKey, state: End, tags: Mapping[str, str], ended_ms: int = 0
    ) -> None:
        """Ignore the end of the run."""

    def flush(self, timeout: float) -> int:
        """Return 0: nothing is ever unsent."""
        return 0

    def close(self) -> None:
        """Do nothing."""
