"""What a command works with: gym, backbone, stores and tracker, closed in order at the end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from mpt.commands.console import ConsoleProgress, clock
from mpt.gym.source import open_gym
from mpt.lab.home import Home
from mpt.lab.ledger import Ledger
from mpt.lab.run import Lab
from mpt.lab.study import Study
from mpt.lab.tracker import Tracker
from mpt.lab.tracking import MlflowTracker
from mpt.lab.worker import Worker


class Session:
    """Opens nothing that writes until ``lab`` or ``tracker`` is asked for.

    So that a study which does not fit its gym is refused before anything is made.
    """

    def __init__(
        self, study: Study, *, device: str | None = None, tracking_uri: str | None = None
    ) -> None:
        self.home = Home.find()
        self.worker = Worker(open_gym(study.gym), study.backbone, self.home, device)
        self.progress = ConsoleProgress()
        self._tracking_uri = tracking_uri or self.home.tracking_uri
        self._title = study.title
        self._open = ExitStack()
        self._lab: Lab | None = None
        self._tracker: Tracker | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def lab(self) -> Lab:
        """The lab, its ledger opened when first asked for. Raises ``StoreError``."""
        if self._lab is None:
            self.home.open()
            ledger = self._open.enter_context(Ledger(self.home.ledger_url))
            self._lab = Lab(self.worker, ledger, progress=self.progress)
        return self._lab

    @property
    def tracker(self) -> Tracker:
        """The tracker; what a dead server cannot take waits on disk."""
        if self._tracker is None:
            self.home.open()
            self._tracker = self._open.enter_context(
                MlflowTracker(self._tracking_uri, "mpt", self.home, warn=self.progress.say)
            )
        return self._tracker

    def summary(self) -> str:
        """What was computed, what was not, and how long it took."""
        if self._lab is None:
            return "nothing was run"
        spent = clock(time.monotonic() - self._began)
        if not self._lab.computed:
            return f"nothing to compute: all {self._lab.reused} units were in the ledger ({spent})"
        return (
            f"{self._lab.computed} units computed, {self._lab.reused} found in the ledger, {spent}"
        )


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
