"""Options that several commands share: where work is computed, how, and where runs are tracked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.methods import METHODS, engine_names

if TYPE_CHECKING:
    from mpt.store.home import Home

Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")]


def either(names: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = names
    return f"{', '.join(most)} or {last}"


Method = Annotated[
    str | None, typer.Option(help=f"{either(METHODS)} (default: reptile)", show_default=False)
]
METHODS_LISTED = "\n\n".join(f"{name}: {known.summary}." for name, known in METHODS.items())
"""What each method does, for the end of a help page."""

MetaEngine = Annotated[
    str,
    typer.Option(help=f"How gradients of order 2 are computed: {either(engine_names())}."),
]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow server (default: a local store under mlruns/)")
]


def from_home(path: Path | None) -> Path | None:
    """A path that was given, ``~`` expanded: a shell leaves it as it is in ``--out=~/folder``."""
    if path is not None:
        # of a user who is none, the path stays as it is and leads nowhere
        with suppress(RuntimeError):
            return path.expanduser()
    return path


def find_home(tracking_uri: str | None = None) -> Home:
    """The home, its runs tracked at ``tracking_uri`` if one is given.

    Raises:
        ConfigError: an address that is neither a server's nor a database's.
    """
    from dataclasses import replace

    from mpt.errors import ConfigError
    from mpt.store import address
    from mpt.store.home import TRACKING, Home, tracking_variable
    from mpt.tracking.trackers import TRACKERS, scheme

    home = Home.find()
    uri = address.from_home(tracking_uri or home.tracking_uri)
    home = replace(home, tracking_uri=uri)
    if scheme(home.tracking_uri) not in TRACKERS:
        is_theirs = not tracking_uri and tracking_variable() == TRACKING[1]
        by = f"; {TRACKING[1]} says so, and {TRACKING[0]} goes before it" if is_theirs else ""
        raise ConfigError(
            f"runs cannot be tracked at {home.shown(home.tracking_uri)!r}; give a server such as "
            f"http://127.0.0.1:5000 or a database such as sqlite:///PATH{by}"
        )
    return home
