"""What a call works with: gym, backbone, stores and tracker, closed in order at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from mpt.api.work.compute import PlainProgress
from mpt.compute.open_fleet import open_fleet
from mpt.compute.stopping import Stopping
from mpt.compute.worker import Worker
from mpt.engine.device import known_device, known_devices
from mpt.engine.plan import known_engine
from mpt.errors import StoreError
from mpt.gym.source import open_gym
from mpt.lab.run import Lab
from mpt.report.words import clock
from mpt.store.home import Home
from mpt.store.lease import Lease
from mpt.store.ledger import Ledger
from mpt.study.places import is_on_disk
from mpt.study.study import Study
from mpt.tracking.address import runs_at, tracked_home
from mpt.tracking.tracker import Tracker
from mpt.tracking.trackers import open_tracker

if TYPE_CHECKING:
    from typing import Unpack

    from mpt.api.work.compute import Compute


class Session:
    """Opens nothing that writes until ``lab`` or ``tracker`` is asked for.

    So that a study which does not fit its gym is refused before anything is made.

    Raises:
        InputError: a gym, device, tracking address or pair of stores that cannot be used.
    """

    def __init__(
        self, study: Study, *, methods: Sequence[str] | None = None, **ways: Unpack[Compute]
    ) -> None:
        self.stopping = Stopping.of(ways.get("budget"))
        self.home = tracked_home(ways.get("tracking_uri"), ways.get("experiment"))
        self.home.refuse_shared()
        device = ways.get("device")
        devices = known_devices(ways.get("devices"), device)
        if len(devices) == 1:
            device = devices[0]
        self.worker = Worker(
            open_gym(study.gym),
            study.backbone,
            self.home,
            known_device(device),
            known_engine(ways.get("meta_engine", "auto"), methods or (study.method,)),
            self.stopping,
            begun_as=_begun_as(study, self.home),
            deterministic=ways.get("deterministic", False),
            # a driver of other processes only reads rows: its GPU is for packs
            loads_on="cpu" if ways.get("ray") or len(devices) > 1 else None,
        )
        self.progress = ways.get("progress") or PlainProgress()
        self._errors = study.errors
        self._open = ExitStack()
        self._lab: Lab | None = None
        self._tracker: Tracker | None = None
        self._began = time.monotonic()
        self._fleet = open_fleet(
            ways.get("ray"), ways.get("gpus_per_pack"), device, self._warn, devices
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def lab(self) -> Lab:
        """The lab, fleet and ledger opened when first asked for. Raises ``InputError``."""
        if self._lab is None:
            fleet = self._open.enter_context(self._fleet)
            ledger = self._open.enter_context(_open_ledger(self.home))
            self.worker.keep_tokens()
            self._lab = Lab(self.worker, ledger, fleet, self.progress, self._errors)
        return self._lab

    @property
    def tracker(self) -> Tracker:
        """The tracker; what a dead server cannot take waits on disk."""
        if self._tracker is None:
            self.home.open()
            self._tracker = self._open.enter_context(open_tracker(self.home, warn=self._warn))
        return self._tracker

    def alone(self, name: str) -> Lease:
        """Hold ``name``, so that no other process computes and logs the same at the same time.

        Raises:
            StoreError: another one does.
        """
        return self.lab.ledger.lease(name, wait=self.progress.say)

    @property
    def runs(self) -> str:
        """What shows the runs that this session logs."""
        return runs_at(self.home)

    def _warn(self, line: str) -> None:
        self.progress.say(f"warning: {line}")

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


def _begun_as(study: Study, home: Home) -> str:
    """What the backbone was called when a study of this name was begun, see ``Worker``."""
    if not is_on_disk(study.backbone.name):
        return ""
    from mpt.search.search import Search
    from mpt.search.storage import study_names

    title = study.title
    return Search.load(home, title).begun_as if title in study_names(home) else ""


def _open_ledger(home: Home) -> Ledger:
    """The ledger in its home; a home made for a ledger that cannot be opened is unmade."""
    folders = (
        home.root,
        home.outbox,
        home.checkpoints,
        home.prompts,
        home.tokens,
        home.artifacts,
        home.reports,
    )
    new = [folder for folder in folders if not folder.exists()]
    home.open()
    try:
        return Ledger(home.ledger_url)
    except StoreError:
        for folder in reversed(new):
            with suppress(OSError):
                folder.rmdir()
        raise
