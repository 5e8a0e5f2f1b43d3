"""`mpt sync`: send what a tracking server has not taken yet."""

from __future__ import annotations

from typing import Annotated

import typer

from mpt.commands.console import ConsoleProgress, err, out
from mpt.commands.options import TrackingUri
from mpt.errors import MptError


def sync(
    tracking_uri: TrackingUri = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Log every study again, as to an empty server.")
    ] = False,
) -> None:
    """Send waiting records to the tracking server.

    With --rebuild all studies and their finished trials are logged again from the ledger and the
    store of studies: parameters, curves, tables, prompts. Nothing is duplicated that the server
    already has. The same happens when records turn out to be damaged or deleted on disk. To log a
    promotion again, run `mpt promote` again, which computes nothing new.

    Example: mpt sync --tracking-uri http://127.0.0.1:5000
    """
    from mpt.tracking.address import tracked_home
    from mpt.tracking.mlflow_tracker import sync as run
    from mpt.tracking.outbox import forget_lost, lost

    home = tracked_home(tracking_uri)

    def warn(line: str) -> None:
        err.line(f"warning: {line}")

    if rebuild:
        _rebuild(tracking_uri)
    sent, left = run(home, home.tracking_uri, warn=warn)
    if not rebuild and lost(home.outbox):
        _rebuild(tracking_uri)
        more, left = run(home, home.tracking_uri, warn=warn)
        sent += more
    forget_lost(home.outbox)
    out.line(f"{sent} records sent, {left} left")
    if left:
        raise MptError(f"{left} records could not be sent; they are kept, run `mpt sync` again")


def _rebuild(tracking_uri: str | None) -> None:
    """Tell the tracker of every study, the oldest first."""
    from mpt.api.session import Session
    from mpt.lab.plan import plan
    from mpt.lab.projection import Projection
    from mpt.lab.sweep import replay
    from mpt.search.search import Search
    from mpt.search.storage import study_names
    from mpt.store.home import Home

    home = Home.find()
    for name in reversed(study_names(home)):
        study = Search.load(home, name).study
        with Session(study, tracking_uri=tracking_uri, progress=ConsoleProgress()) as session:
            concrete = plan(study, session.worker)
            projection = Projection(session.tracker, study, session.home)
            trials = replay(concrete, session.lab, session.home, on_trial=projection.trial)
            projection.close_study(trials)
        told = sum(bool(trial.digest) for trial in trials)
        out.line(f"{name}: {told} trials logged again")
