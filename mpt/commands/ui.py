"""`mpt ui`: the MLflow pages over the local store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import out
from mpt.commands.terminal.options import Experiment

if TYPE_CHECKING:
    from mpt.api.ui import Pages


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
    study: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.studies,
            help="The study that the links open (default: the newest one)",
        ),
    ] = None,
    experiment: Experiment = None,
) -> None:
    """Serve the MLflow UI on the local store.

    It prints links that open on a study: its trials by ARG, their comparison and the best one. It
    runs until it is interrupted. Requests must name localhost, 127.0.0.1, [::1], --host or one
    of --allowed-hosts; any other host name is refused with 403, so that no page of another site
    can read along.

    Example: mpt ui --port 5001
    """
    pages = mpt.mlflow_pages(host, port, study=study, experiment=experiment)
    _print_links(pages)
    names = [name.strip() for name in allowed_hosts.split(",") if name.strip()]
    raise typer.Exit(pages.serve(names))


def _print_links(pages: Pages) -> None:
    """Print where MLflow shows a study; without one, where it shows runs."""
    if (links := pages.links) is None:
        out.line(f"MLflow:  {pages.base}  # no study yet; `mpt sweep` begins one")
        return
    out.line(f"Study {links.study}, in a few seconds (Ctrl-C ends the server):")
    out.line(f"  trials:  {links.trials}")
    out.line(f"  charts:  {links.charts}")
    if links.best:
        out.line(f"  best:    {links.best}")
