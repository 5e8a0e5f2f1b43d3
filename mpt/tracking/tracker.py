"""What the lab tells a tracker, and the tracker that listens to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, NewType, Protocol

RunKey = NewType("RunKey", str)
"""A run's name for good: the same key is the same run, on every server and after every crash."""

End = Literal["finished", "failed", "killed"]


@dataclass(frozen=True)
class Point:
    """One value of a curve; ``time_ms`` is since 1970, 0 for the time at which it was told."""

    name: str
    value: float
    step: int = 0
    time_ms: int = 0


@dataclass(frozen=True)
class PromptModel:
    """A prompt to be registered as a version of a model that predicts.

    Attributes:
        name: of the registered model, e.g. ``mpt-mini-reptile``.
        digest: of the unit that made the prompt: registering it again makes no second version.
        file: the prompt's safetensors file.
        config: what ``mpt.serve.predict.predict`` needs beside the file, as JSON.
        alias: points at this version afterwards, at no other.
        owner: identity of the study; a model of this name that is another's is left alone, and the
            prompt registered under ``own_name``.
    """

    name: str
    digest: str
    file: Path
    config: Mapping[str, object]
    alias: str = "champion"
    owner: str = ""


def own_name(name: str, owner: str) -> str:
    """What a study's model is called where another study has one of its name."""
    return f"{name}-{owner}"


class Tracker(Protocol):
    """Contract (``tests/contracts/test_tracker_contract.py``): quick, never raises for a server.

    Every call may be made twice with the same outcome.
    """

    @property
    def unsent(self) -> int:
        """Records that the server has not taken yet."""
        ...

    def open_study(
        self, study: str, *, params: Mapping[str, object], tags: Mapping[str, str], key: str = ""
    ) -> RunKey:
        """The parent run of a study; ``key`` identifies it where ``study`` alone does not."""
        ...

    def open_run(
        self,
        key: str,
        *,
        parent: RunKey | None,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> RunKey:
        """A run under ``parent``, begun or continued; ``key`` is unique among its siblings."""
        ...

    def metrics(self, run: RunKey, points: Sequence[Point]) -> None:
        """Points of curves; the same value at the same step again is no new point."""
        ...

    def table(self, run: RunKey, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """A table as the file ``name``.csv; columns are the keys, in order of appearance."""
        ...

    def text(self, run: RunKey, name: str, text: str) -> None:
        """A text file called ``name``."""
        ...

    def artifact(self, run: RunKey, path: Path, folder: str = "", name: str = "") -> None:
        """A file (as ``name``), or every file of a folder, under ``folder``; copied at once."""
        ...

    def register_prompt(self, run: RunKey, model: PromptModel) -> None:
        """A registered model version made by ``run``."""
        ...

    def close_run(self, run: RunKey, state: End, tags: Mapping[str, str]) -> None:
        """The end of a run, for now: opening it again continues it."""
        ...

    def flush(self, timeout: float) -> int:
        """Wait until everything is sent, ``timeout`` seconds at most; what is left unsent."""
        ...

    def close(self) -> None:
        """Send what can be sent in a bounded time; the rest stays on disk."""
        ...


class NullTracker:
    """Remembers nothing; overhead is measured against it."""

    unsent = 0

    def __enter__(self) -> NullTracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open_study(
        self, study: str, *, params: Mapping[str, object], tags: Mapping[str, str], key: str = ""
    ) -> RunKey:
        """See ``Tracker``."""
        return RunKey(key or study)

    def open_run(
        self,
        key: str,
        *,
        parent: RunKey | None,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> RunKey:
        """See ``Tracker``."""
        return RunKey(f"{parent}/{key}" if parent else key)

    def metrics(self, run: RunKey, points: Sequence[Point]) -> None:
        """See ``Tracker``."""

    def table(self, run: RunKey, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """See ``Tracker``."""

    def text(self, run: RunKey, name: str, text: str) -> None:
        """See ``Tracker``."""

    def artifact(self, run: RunKey, path: Path, folder: str = "", name: str = "") -> None:
        """See ``Tracker``."""

    def register_prompt(self, run: RunKey, model: PromptModel) -> None:
        """See ``Tracker``."""

    def close_run(self, run: RunKey, state: End, tags: Mapping[str, str]) -> None:
        """See ``Tracker``."""

    def flush(self, timeout: float) -> int:
        """See ``Tracker``."""
        return 0

    def close(self) -> None:
        """See ``Tracker``."""
