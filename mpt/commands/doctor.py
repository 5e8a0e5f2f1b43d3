"""`mpt doctor`: is everything that a sweep needs there, and what to do if not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import out
from mpt.commands.terminal.options import Device, TrackingUri

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    gym: Annotated[str, typer.Option(help="mini, or a folder of tasks.")] = "mini",
    backbone: Annotated[str, typer.Option(help="mini, a Hub id or a local folder.")] = "mini",
    device: Device = None,
    tracking_uri: TrackingUri = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Correct MLflow's paths after the home was moved.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check everything that a sweep needs.

    Versions, stores, servers, clocks, Ray, disk, device, gym, backbone and outbox: one line each,
    ok, warn or fail, with what to do about it. Nothing is written, unless --fix corrects the paths
    that MLflow stores, which are absolute, after the home was moved or copied. The exit code is 1
    if anything fails.

    Example: mpt doctor
    """
    found = []
    for one in mpt.diagnose(gym, backbone, device=device, tracking_uri=tracking_uri, fix=fix):
        found.append(one)
        if not json:
            cure = f" -> {one.fix}" if one.fix else ""
            out.line(f"{one.state:<6}{one.name}: {one.what}{cure}", COLOURS[one.state], 6)
    if json:
        out.json([asdict(one) for one in found])
    if any(one.state == "fail" for one in found):
        raise typer.Exit(1)
