"""`mpt registry`: registered prompts and which of them answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.console import err, out

if TYPE_CHECKING:
    from mpt.tracking.registry import Version

app = typer.Typer(help="List registered prompts and roll back.", no_args_is_help=True)

TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow server (default: a local store under mlruns/)")
]


@app.command("list")
def list_(
    tracking_uri: TrackingUri = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List registered prompts.

    For each model its versions, their digests, and which one is the champion.

    Example: mpt registry list
    """
    from mpt.tracking.address import tracked_home
    from mpt.tracking.registry import models

    found = [
        version for versions in models(tracked_home(tracking_uri)).values() for version in versions
    ]
    if json:
        out.json({"schema": 1, "versions": [_told(version) for version in found]})
    elif not found:
        err.line("no prompt is registered yet; `mpt promote best` registers one")
    for version in () if json else found:
        mark = "  champion" if version.is_champion else ""
        made = f"{version.created:%Y-%m-%d %H:%M} UTC"
        line = f"{version.model}  version {version.number}  {version.digest}  {made}{mark}"
        out.line(line)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="The registered model, e.g. mpt-mini-reptile.")],
    to: Annotated[
        int | None, typer.Option(help="The version (default: the one before the champion)")
    ] = None,
    tracking_uri: TrackingUri = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an earlier version the champion again.

    No version is deleted, and --to can go forward as well.

    Example: mpt registry rollback mpt-mini-reptile
    """
    from mpt.tracking.address import tracked_home
    from mpt.tracking.registry import rollback as run

    was, now = run(tracked_home(tracking_uri), model, to)
    if json:
        out.json({"schema": 1, "was": _told(was) if was else None, "champion": _told(now)})
        return
    before = f"version {was.number}" if was else "none"
    out.line(f"models:/{model}@champion: {before} -> version {now.number} ({now.digest})")


def _told(version: Version) -> dict[str, object]:
    return {**asdict(version), "created": version.created.isoformat()}
