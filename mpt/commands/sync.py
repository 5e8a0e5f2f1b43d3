"""`mpt sync`: send what a tracking server has not taken yet."""

from __future__ import annotations

from typing import Annotated

import typer

from mpt.commands.console import err, out
from mpt.errors import MptError


def sync(
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server [default: a local store under mlruns/]")
    ] = None,
) -> None:
    """Send the records that wait in the outbox to the tracking server.

    Example: mpt sync --tracking-uri http://127.0.0.1:5000
    """
    from mpt.commands.session import find_home
    from mpt.lab.tracking import sync as run

    home = find_home(tracking_uri)

    def warn(line: str) -> None:
        err.print(f"warning: {line}", markup=False, soft_wrap=True)

    sent, left = run(home, home.tracking_uri, warn=warn)
    out.print(f"{sent} records sent, {left} left")
    if left:
        raise MptError(f"{left} records could not be sent; they are kept, run `mpt sync` again")
