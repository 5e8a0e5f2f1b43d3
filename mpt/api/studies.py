"""Studies as they are kept: a list, and trials that are to be run again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpt.api.values.searched import found_search
from mpt.search import stale_trials
from mpt.search.search import Search
from mpt.search.storage import study_lease
from mpt.search.study_list import Overview, all_trials, overviews
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.store.ledger import Ledger, open_ledger
from mpt.tracking.address import tracked_home

if TYPE_CHECKING:
    import pandas as pd

    from mpt.lab.forget import Forgotten

_LOG = logging.getLogger("mpt.api")


@dataclass(frozen=True)
class Reaped:
    """Trials of a driver that died.

    Attributes:
        trials: their numbers.
        failed: whether they count as failed; else the next sweep runs them.
    """

    study: str
    trials: tuple[int, ...]
    failed: bool


@dataclass(frozen=True)
class Retried:
    """A trial that is run again under another number."""

    trial: int
    again: int


def studies() -> pd.DataFrame:
    """List the studies of this store, the youngest first: trials, and the best ARG in percent.

    Example::

        mpt.studies().query("complete > 0")
    """
    import pandas as pd

    rows = [(one.name, one.trials, one.complete, *_best(one)) for one in listed()]
    columns = ["study", "trials", "complete", "best_trial", "arg", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def listed() -> list[Overview]:
    """List the studies of this store as records, the youngest first."""
    return overviews(Home.find())


def every_trial() -> Iterator[tuple[str, list[Trial]]]:
    """Yield every study of this store with its trials, one study at a time."""
    return all_trials(Home.find())


def _best(study: Overview) -> tuple[float | None, ...]:
    best = study.best
    return (best.number, best.arg, best.low, best.high) if best else (None,) * 4


def reap(study: str | None = None, *, tracking_uri: str | None = None) -> Reaped:
    """Close what a driver that died left running, in Optuna and in MLflow; nothing is computed.

    Its trials wait for the next ``sweep``, or fail where the study says so (``errors.killed``).

    Args:
        study: its name; by default the study begun last.
        tracking_uri: see ``Compute``.

    Raises:
        UnknownName: no such study.
        StoreError: a living driver holds it.
    """
    # a list of studies is shown without what these import
    from mpt.lab.tracked.projection import Projection
    from mpt.tracking.trackers import open_tracker

    home = tracked_home(tracking_uri)
    with _held(home, study) as (search, _):
        found = search.study
        numbers = stale_trials.release_stale(search, found)
        with open_tracker(home.open(), warn=_LOG.warning) as tracker:
            Projection(tracker, found, home).close_study(search.trials)
    return Reaped(found.title, tuple(numbers), found.errors.killed == "fail")


def retry(study: str, *, diverged: bool = False) -> list[Retried]:
    """Have the next ``sweep`` run trials again that failed, with their parameters.

    The study's total stays: an attempt takes the place of the one before.

    Args:
        study: its name.
        diverged: those that diverged instead; what they computed is forgotten.

    Raises:
        UnknownName: no such study.
        StoreError: a living driver holds it.
    """
    with _held(Home.find(), study) as (search, ledger):
        found = stale_trials.retry(search, ledger, diverged=diverged)
    return [Retried(trial.number, number) for trial, number in found]


def forget(digest: str) -> Forgotten:
    """Forget a unit whose prompt or record is bad, and every unit that began from its prompt.

    Trials that stand on them wait for the next ``sweep``, which computes them again.

    Args:
        digest: a unit's, or its first digits.

    Raises:
        UnknownName: no unit's digest begins so.
        StoreError: a living driver holds one of the studies.
    """
    from mpt.lab.forget import forget as forgotten

    home = Home.find()
    with open_ledger(home) as ledger:
        return forgotten(home, ledger, digest)


@contextmanager
def _held(home: Home, name: str | None) -> Iterator[tuple[Search, Ledger]]:
    """Hold a study that no living driver is at."""
    search = found_search(name)
    with (
        open_ledger(home) as ledger,
        study_lease(home, ledger, search.study.title, _LOG.warning) as lease,
    ):
        search.fence(lease)
        yield search, ledger
