"""`mpt sync`: send what a tracking server has not taken yet."""

from __future__ import annotations

from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import ConsoleProgress, out
from mpt.commands.terminal.options import TrackingUri
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
    synced = mpt.sync(tracking_uri=tracking_uri, rebuild=rebuild, progress=ConsoleProgress())
    for name, trials in synced.rebuilt.items():
        out.line(f"{name}: {trials} trials logged again")
    out.line(f"{synced.sent} records sent, {synced.left} left")
    if synced.left:
        raise MptError(
            f"{synced.left} records could not be sent",
            fix="they are kept, run `mpt sync` again",
        )
