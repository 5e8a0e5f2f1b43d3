"""Send what a tracking server has not taken yet."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mpt.api.work.compute import Listener
from mpt.search.storage import study_names
from mpt.store.home import Home
from mpt.tracking.address import tracked_home
from mpt.tracking.mlflow_tracker import sync as deliver
from mpt.tracking.outbox import forget_lost, lost

_LOG = logging.getLogger("mpt.api")


@dataclass(frozen=True)
class Synced:
    """What was sent.

    Attributes:
        sent, left: records that the server took, and that it did not.
        rebuilt: studies that were logged again, with the number of their trials.
    """

    sent: int
    left: int
    rebuilt: dict[str, int]


def sync(
    *,
    tracking_uri: str | None = None,
    rebuild: bool = False,
    progress: Listener | None = None,
) -> Synced:
    """Send the records that wait in the outbox to the tracking server.

    Args:
        tracking_uri: an MLflow server or database; by default that of the home.
        rebuild: log every study again first, as to an empty server; what it has is not doubled.
        progress: see ``Compute``.

    Raises:
        ConfigError: runs cannot be tracked at that address.

    Example::

        mpt.sync(tracking_uri="http://127.0.0.1:5000").left
    """
    home = tracked_home(tracking_uri)
    rebuilt = _rebuild(tracking_uri, progress) if rebuild else {}
    sent, left = deliver(home, home.tracking_uri, warn=_LOG.warning)
    if not rebuild and lost(home.outbox):
        # records were damaged or deleted on disk
        rebuilt = _rebuild(tracking_uri, progress)
        more, left = deliver(home, home.tracking_uri, warn=_LOG.warning)
        sent += more
    forget_lost(home.outbox)
    return Synced(sent, left, rebuilt)


def _rebuild(tracking_uri: str | None, progress: Listener | None) -> dict[str, int]:
    """Log every study to the tracker, the oldest first."""
    # these load torch, which sending what waits does not need
    from mpt.api.report import write_report
    from mpt.api.work.knowledge import knowledge
    from mpt.api.work.session import Session
    from mpt.lab.plan import plan
    from mpt.lab.sweep import replay
    from mpt.lab.tracked.projection import Projection
    from mpt.search.search import Search

    rebuilt = {}
    home = Home.find()
    for name in reversed(study_names(home)):
        search = Search.load(home, name)
        study = search.study
        with Session(study, tracking_uri=tracking_uri, progress=progress) as session:
            concrete = plan(study, session.worker)
            projection = Projection(session.tracker, study, session.home, command=search.command)
            projection.open_study(search.trials)
            trials = replay(concrete, session.lab, session.home, on_trial=projection.trial)
            projection.close_study(trials, known=knowledge(name, session))
            report = write_report(home.reports / name, study=name, command=search.command or None)
            projection.study_report(report.page)
        rebuilt[name] = sum(bool(trial.digest) for trial in trials)
    return rebuilt
