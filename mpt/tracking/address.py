"""Where runs are tracked: a home whose tracking address can be one of MLflow."""

from __future__ import annotations

from dataclasses import replace

from mpt.errors import ConfigError
from mpt.store.address import from_home
from mpt.store.home import TRACKING, Home, tracking_variable
from mpt.tracking.trackers import TRACKERS, scheme


def tracked_home(tracking_uri: str | None = None, experiment: str | None = None) -> Home:
    """Find the home, its runs tracked where the arguments say; writes nothing.

    Args:
        tracking_uri: an MLflow server or database; by default the home's.
        experiment: the MLflow experiment; by default the home's.

    Raises:
        ConfigError: an address that is neither a server's nor a database's.
    """
    home = Home.find()
    home = replace(
        home,
        tracking_uri=from_home(tracking_uri or home.tracking_uri),
        experiment=experiment or home.experiment,
    )
    if scheme(home.tracking_uri) not in TRACKERS:
        is_theirs = not tracking_uri and tracking_variable() == TRACKING[1]
        by = f"; {TRACKING[1]} says so, and {TRACKING[0]} goes before it" if is_theirs else ""
        raise ConfigError(
            f"runs cannot be tracked at {home.shown(home.tracking_uri)!r}",
            fix=(
                "give a server such as "
                f"http://127.0.0.1:5000 or a database such as sqlite:///PATH{by}"
            ),
        )
    return home


def runs_at(home: Home) -> str:
    """Say what shows the runs of a home: its server, or the command that serves a local store."""
    uri = home.tracking_uri
    return Home.shown(uri) if uri.startswith("http") else "mpt ui"
