"""`mpt campaign`: a question of the paper, from a preset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.cluster import GpusPerPack, Ray
from mpt.commands.terminal.console import ConsoleProgress, err, out
from mpt.commands.terminal.forecast import Profile, Shape, expect_dry_run, print_forecast
from mpt.commands.terminal.options import (
    Deterministic,
    Device,
    Devices,
    MetaEngine,
    Quiet,
    TrackingUri,
    Verbose,
    from_home,
)
from mpt.commands.terminal.stop import Budget, leave, this_command
from mpt.errors import ConfigError
from mpt.report.tables.grid import Sheet


def campaign(
    preset: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.presets,
            help="A preset, in miniature on the embedded gym: q1, q2, q3, q4, case-study, "
            "sensitivity, similarity or source-choice.",
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(callback=from_home, help="A preset file; the full ones are in sweeps/."),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: the preset's)")
    ] = None,
    device: Device = None,
    devices: Devices = None,
    meta_engine: MetaEngine = "auto",
    deterministic: Deterministic = False,
    tracking_uri: TrackingUri = None,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    budget: Budget = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run; write nothing.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    shape: Shape = None,
    device_profile: Profile = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Answer one of the paper's questions.

    The answer is one table of variants x methods, with ARG and intervals. A preset gives every
    hyper-parameter, so nothing is searched. Nothing that the ledger holds is computed again,
    whichever preset it came from; the same command resumes a campaign that was stopped.

    Example: mpt campaign --preset q2
    """
    if (preset is None) == (study is None):
        raise ConfigError("give one of --preset NAME (in miniature) and --study FILE (in full)")
    expect_dry_run(shape, device_profile, dry_run=dry_run)
    asked = preset or study or ""
    if shape:
        cost = mpt.forecast_campaign(asked, gym=gym, shape=shape)
        print_forecast(cost, device_profile, json=json)
        return
    if dry_run:
        plan = mpt.plan_campaign(asked, gym=gym)
        for note in plan.notes:
            err.line(note)
        out.sheet(Sheet(plan.grid, plan.preset.title))
        return
    stopping = mpt.Stopping(budget)
    try:
        found = mpt.campaign(
            asked,
            gym=gym,
            command=this_command(),
            device=device,
            devices=devices,
            meta_engine=meta_engine,
            deterministic=deterministic,
            tracking_uri=tracking_uri,
            budget=stopping,
            ray=ray,
            gpus_per_pack=gpus_per_pack,
            progress=ConsoleProgress(quiet=quiet, verbose=verbose),
        )
    except mpt.Stopped as stopped:
        leave(stopping, str(stopped))
    from mpt.report.scoring import scoring_notes

    if json:
        out.raw(found.json)
        return
    notes = scoring_notes(found.findings.scoring) if found.findings else ()
    out.sheet(Sheet(found.grid, found.preset.title, notes))
    for warning in found.warnings:
        err.line(f"warning: {warning}", "yellow")
    out.line(f"{'Report' if found.findings else 'Tables'}: {found.report}")
