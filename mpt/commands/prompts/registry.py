"""`mpt registry`: registered prompts and which of them answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

import mpt
from mpt.commands.terminal.console import err, out

if TYPE_CHECKING:
    from mpt.api.registry import Version

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
    versions = mpt.registered(tracking_uri=tracking_uri)
    if json:
        out.json({"schema": 1, "versions": [_fields(version) for version in versions]})
        return
    if not versions:
        err.line("no prompt is registered yet; `mpt promote best` registers one")
    for version in versions:
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
    was, now = mpt.roll_back(model, to, tracking_uri=tracking_uri)
    if json:
        out.json({"schema": 1, "was": _fields(was) if was else None, "champion": _fields(now)})
        return
    before = f"version {was.number}" if was else "none"
    out.line(f"models:/{model}@champion: {before} -> version {now.number} ({now.digest})")


def _fields(version: Version) -> dict[str, object]:
    return {**asdict(version), "created": version.created.isoformat()}
