"""`mpt ui`: the MLflow pages over the local store."""

from __future__ import annotations

from typing import Annotated

import typer


def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but 127.0.0.1 can be reached by others.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 5000,
    allowed_hosts: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_SERVER_ALLOWED_HOSTS",
            help="Further host names to answer to, NAME:PORT, comma-separated.",
        ),
    ] = "",
) -> None:
    """Serve the MLflow UI on the local store.

    It runs until it is interrupted. Requests must name localhost, 127.0.0.1, [::1], --host or one
    of --allowed-hosts; any other host name is refused with 403, so that no page of another site
    can read along.

    Example: mpt ui --port 5001
    """
    from mpt.store.home import Home
    from mpt.tracking.mlflow_tracker import serve_ui

    names = [name.strip() for name in allowed_hosts.split(",") if name.strip()]
    raise typer.Exit(serve_ui(Home.find(), host, port, names))
