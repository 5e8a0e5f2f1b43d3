"""`mpt ui`: the MLflow pages over the local store."""

from __future__ import annotations

from typing import Annotated

import typer


def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but 127.0.0.1 is open to others.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 5000,
) -> None:
    """Serve the MLflow UI on the local store until interrupted.

    Example: mpt ui --port 5001
    """
    from mpt.lab.home import Home
    from mpt.lab.tracking import serve_ui

    raise typer.Exit(serve_ui(Home.find(), host, port))
