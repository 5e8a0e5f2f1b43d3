"""`mpt studies reap` and `mpt studies retry`: trials that no driver is working on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.console import err, out
from mpt.commands.options import TrackingUri

if TYPE_CHECKING:
    from mpt.search.search import Search
    from mpt.store.home import Home
    from mpt.store.ledger import Ledger


def reap(
    name: Annotated[
        str | None, typer.Argument(help="The study's name (default: the newest one)")
    ] = None,
    tracking_uri: TrackingUri = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Release trials that a dead driver left.

    They are closed in Optuna and in MLflow; nothing is computed. They wait for the next `mpt
    sweep`, which resumes them, or fail where the study file says so (errors.killed). A study with
    a running driver is left alone.

    Example: mpt studies reap mini-reptile
    """
    from mpt.lab.projection import Projection
    from mpt.search.stale_trials import release_stale as run
    from mpt.tracking.address import tracked_home
    from mpt.tracking.trackers import open_tracker

    home = tracked_home(tracking_uri)
    with _held(home, name) as (search, _):
        study = search.study
        numbers = run(search, study)
        with open_tracker(home.open(), warn=_warn) as tracker:
            Projection(tracker, study, home).close_study(search.trials)
    fail = study.errors.killed == "fail"
    if json:
        reaped = [number + 1 for number in numbers]
        out.json({"study": study.title, "failed" if fail else "waiting": reaped})
        return
    named = ", ".join(f"trial {number + 1}" for number in numbers)
    after = "failed" if fail else "waits for the next `mpt sweep`"
    told = f"{named}: {after}" if numbers else "no trial was left running"
    out.line(f"{study.title}: {told}")


def retry(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    diverged: Annotated[
        bool, typer.Option("--diverged/--failed", help="Which trials to retry.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Retry trials that failed or diverged.

    The next `mpt sweep` runs them again with the same parameters. The study's total stays the
    same: a retry takes the place of the attempt before it.

    Example: mpt studies retry mini-reptile --failed
    """
    from mpt.search.stale_trials import retry as run
    from mpt.store.home import Home

    with _held(Home.find(), name) as (search, ledger):
        found = run(search, ledger, diverged=diverged)
    if json:
        again = [{"trial": trial.number + 1, "again": number + 1} for trial, number in found]
        out.json({"study": name, "retried": again})
        return
    if not found:
        how = "diverged" if diverged else "failed"
        out.line(f"{name}: no trial {how} that is not tried again already")
    for trial, number in found:
        words = f"trial {trial.number + 1} is tried again as trial {number + 1}"
        out.line(f"{words} by the next `mpt sweep`")


@contextmanager
def _held(home: Home, name: str | None) -> Iterator[tuple[Search, Ledger]]:
    """Take the lease of a study that no running driver holds, and load it."""
    from mpt.search.search import Search
    from mpt.search.storage import study_lease
    from mpt.store.ledger import open_ledger

    search = Search.latest(home) if name is None else Search.load(home, name)
    with (
        open_ledger(home) as ledger,
        study_lease(home, ledger, search.study.title, _warn) as lease,
    ):
        search.fence(lease)
        yield search, ledger


def _warn(line: str) -> None:
    err.line(f"warning: {line}")
