"""`mpt promote`: the final evaluation of a study's best trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.cluster import GpusPerPack, Ray
from mpt.commands.terminal.console import ConsoleProgress, err, out
from mpt.commands.terminal.dry_run import DryRun, print_estimate
from mpt.commands.terminal.forecast import Profile, Shape, expect_dry_run, print_forecast
from mpt.commands.terminal.options import (
    Deterministic,
    Device,
    Devices,
    Experiment,
    MetaEngine,
    Quiet,
    TrackingUri,
    Verbose,
)
from mpt.commands.terminal.stop import Budget, leave, this_command

if TYPE_CHECKING:
    from mpt.api.promote import FinalKeys


def promote(
    which: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.trials,
            help="best, or a trial's number (from 0) as `mpt studies show` prints it.",
        ),
    ] = "best",
    study: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.studies, help="The study's name (default: the newest one)"
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.settings,
            help="Settings, comma-separated: cls-cls,np-p or 'NP->P' (default: all)",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.methods,
            help="Methods, comma-separated, or all (default: the study's own)",
        ),
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(help="pt, ft (full fine-tuning) or all (default: pt)")
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, help="How many trials are re-tested on fresh seeds; 1: none.")
    ] = 3,
    device: Device = None,
    devices: Devices = None,
    meta_engine: MetaEngine = "auto",
    deterministic: Deterministic = False,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    shape: Shape = None,
    device_profile: Profile = None,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Make the prompt the champion even if it is not better."),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print the ARG table as JSON.")] = False,
) -> None:
    """Run the best trial on the full settings.

    The result is a table of ARG, a report and a registered prompt. The best trials are first
    re-tested on data seeds that the search did not see, unless one of them won a race (`mpt sweep
    --until-separated`); a trial given by its number is taken as it is. Each setting's prompt is
    learned on its source tasks and evaluated on its targets, with all data seeds and learning
    rates, against plain prompt tuning. Other methods take part with the best trial of their own
    study (mini-maml beside mini-reptile), or with defaults. Nothing that the ledger holds is
    computed again, so the same command resumes a promotion that was stopped.

    The prompt is registered. It becomes the champion, which `mpt predict NAME` answers with, if
    there is none yet, or if it is significantly better than the champion so far on the same targets
    and data seeds.

    Example: mpt promote best --methods all --baselines all --settings cls-cls,np-p
    """
    from mpt.report.scoring import scoring_notes
    from mpt.report.views import arg_json, arg_sheet

    expect_dry_run(shape, device_profile, dry_run=dry_run)
    if shape:
        final = {"settings": settings, "methods": methods, "baselines": baselines}
        cost = mpt.forecast_promotion(study, which, shape=shape, **final)
        print_forecast(cost, device_profile, json=json)
        return
    stopping = mpt.Stopping(budget)
    ways: FinalKeys = {
        "settings": settings,
        "methods": methods,
        "baselines": baselines,
        "top_k": top_k,
        "force": force,
        "device": device,
        "devices": devices,
        "meta_engine": meta_engine,
        "deterministic": deterministic,
        "tracking_uri": tracking_uri,
        "experiment": experiment,
        "budget": stopping,
        "ray": ray,
        "gpus_per_pack": gpus_per_pack,
        "progress": ConsoleProgress(quiet=quiet, verbose=verbose),
    }
    if dry_run:
        print_estimate(mpt.estimate_promotion(study, which, **ways), json=json)
        return
    try:
        promoted = mpt.promote(study, which, command=this_command(), **ways)
    except mpt.Stopped as stopped:
        leave(stopping, str(stopped))
    found = promoted.findings
    if json:
        out.raw(arg_json(found.gains, scoring=found.scoring))
        if promoted.succession:
            err.line(f"note: champion: {promoted.succession}")
        return
    out.sheet(arg_sheet(found.gains, found.title, scoring_notes(found.scoring)))
    for warning in promoted.warnings:
        err.line(f"warning: {warning}", "yellow")
    out.line(f"Report:   {promoted.report}")
    out.line(f"Runs:     {promoted.runs}")
    if promoted.champion:
        reason = f" ({promoted.succession})" if promoted.succession else ""
        out.line(f"Champion: {promoted.champion}{reason}")
    elif promoted.succession:
        out.line(f"Champion: {promoted.succession}")
