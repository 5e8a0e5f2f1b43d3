"""Trackers by the scheme of their address: the one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pkgutil import resolve_name
from types import MappingProxyType

from mpt.store.home import Home
from mpt.tracking.tracker import Tracker

_MLFLOW = "mpt.tracking.mlflow_tracker:MlflowTracker"
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")

TRACKERS: Mapping[str, str] = MappingProxyType(dict.fromkeys(_SCHEMES, _MLFLOW))
"""The tracker's class, as ``module:name``, by the scheme of its address (without a driver's ``+``).

It is called with the address, the name of the experiment, the home and ``warn=``, and is a context
manager that closes itself."""


def scheme(uri: str) -> str:
    """Return the scheme of an address without its driver; empty if there is none."""
    return uri.partition("://")[0].partition("+")[0] if "://" in uri else ""


def open_tracker(home: Home, *, warn: Callable[[str], None]) -> AbstractContextManager[Tracker]:
    """Open the tracker of a home's tracking address.

    Args:
        home: holds the records until they are sent.
        warn: called with a line when the server does not answer, and when it does again.
    """
    return resolve_name(TRACKERS[scheme(home.tracking_uri)])(
        home.tracking_uri, home.experiment, home, warn=warn
    )
