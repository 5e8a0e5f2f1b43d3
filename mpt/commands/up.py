"""`mpt up`: the services of a team, in Docker or as plain commands."""

from __future__ import annotations

from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import out


def up(
    print_: Annotated[
        bool,
        typer.Option("--print", help="Print commands for bash instead; nothing is run."),
    ] = False,
) -> None:
    """Start PostgreSQL, MLflow and Ray for a team.

    The services are those of docker/compose.yaml; --print shows how to start them without Docker.
    Secrets are taken from PGPASSWORD, MLFLOW_TRACKING_PASSWORD, MLFLOW_FLASK_SERVER_SECRET_KEY and
    RAY_AUTH_TOKEN. Every port is bound to 127.0.0.1 only.

    Example: mpt up --print
    """
    if print_:
        out.raw(mpt.services_script())
        return
    mpt.start_services()
