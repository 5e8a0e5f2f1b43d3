"""Options that several commands share: where work is computed, how, and where runs are told of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")]
MetaEngine = Annotated[
    str, typer.Option(help="MAML's gradient: auto, graph, recursion or higher; all are exact.")
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
