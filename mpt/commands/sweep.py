"""`mpt sweep`: search the hyper-parameters of a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.cluster import GpusPerPack, Ray
from mpt.commands.terminal.console import ConsoleProgress, err, out, steps_on
from mpt.commands.terminal.dry_run import DryRun, print_estimate
from mpt.commands.terminal.forecast import Profile, Shape, expect_dry_run, print_forecast
from mpt.commands.terminal.options import (
    Deterministic,
    Device,
    Devices,
    Experiment,
    MetaEngine,
    Method,
    Quiet,
    TrackingUri,
    Verbose,
    from_home,
    given,
)
from mpt.commands.terminal.stop import Budget, leave, this_command
from mpt.methods import method as known_method

if TYPE_CHECKING:
    from mpt.api.values.study import studies
    from mpt.api.work.compute import Compute


def sweep(
    method: Method = None,
    study: Annotated[
        Path | None,
        typer.Option(callback=from_home, help="A study file (YAML); options override its keys."),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: mini)")
    ] = None,
    partitions: Annotated[
        Path | None,
        typer.Option(
            callback=from_home, help="A YAML file with settings of your own (default: the gym's)"
        ),
    ] = None,
    setting: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.settings,
            help="The setting to search on (default: R->R, or the file's first)",
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="mini, a Hub id, a folder or a GGUF file (default: mini)")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Total number of trials, earlier ones included.")
    ] = None,
    pack: Annotated[int | None, typer.Option(help="Trials computed in one pass.")] = None,
    name: Annotated[str | None, typer.Option(help="The study's name (default: GYM-METHOD)")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the study.")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.samplers,
            help="How trials are drawn: tpe, gp, random, qmc or grid (default: tpe)",
        ),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.pruners,
            help="What stops trials early: wilcoxon, hyperband or none (default: none)",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any key of a study file, e.g. tuning.steps=40; repeatable, has the last word.",
        ),
    ] = None,
    until_separated: Annotated[
        bool,
        typer.Option(
            "--until-separated",
            help="Then spend data seeds on the best trials until one is significantly ahead.",
        ),
    ] = False,
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
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print the trials as JSON.")] = False,
) -> None:
    """Search a method's learning rates and steps.

    Each trial learns an initial prompt on the source tasks and is scored by its ARG on the
    validation tasks. The same command resumes a study that was stopped: nothing recorded is
    computed again, and --trials is the total. Ctrl-C lets the current pack finish; a second one
    stops at once.

    Example: mpt sweep --method reptile --trials 12 --set tuning.steps=60
    """
    from mpt.api.values.study import studied
    from mpt.report.views import trials_json, trials_sheet

    expect_dry_run(shape, device_profile, dry_run=dry_run)
    if method is not None:
        known_method(method)
    changes = given(
        method=method,
        gym=gym,
        partitions=partitions,
        setting=setting,
        trials=trials,
        pack=pack,
        name=name,
        seed=seed,
        backbone=backbone,
        sampler=sampler,
        pruner=pruner,
    )
    chosen, stopping = studied(study, changes, assignments or ()), mpt.Stopping(budget)
    progress = ConsoleProgress(quiet=quiet, verbose=verbose)
    if err.is_terminal:
        progress.say(_banner(chosen, device))
    ways: Compute = {
        "device": device,
        "devices": devices,
        "meta_engine": meta_engine,
        "deterministic": deterministic,
        "tracking_uri": tracking_uri,
        "experiment": experiment,
        "budget": stopping,
        "ray": ray,
        "gpus_per_pack": gpus_per_pack,
        "progress": progress,
    }
    if shape:
        print_forecast(mpt.forecast_sweep(chosen, shape=shape), device_profile, json=json)
        return
    if dry_run:
        print_estimate(mpt.estimate(chosen, **ways), json=json)
        return
    search = mpt.sweep(chosen, until_separated=until_separated, command=this_command(), **ways)
    title = chosen.title
    if json:
        out.raw(trials_json(search.records, search.reliability, search.race))
    else:
        out.sheet(trials_sheet(title, search.records, search.remarks, search.best_record))
    if stopping.reason and search.left:
        over = chosen.total - search.left
        leave(stopping, f"{over} of {chosen.total} trials are over, {search.left} left")
    if stopping.reason and until_separated and search.race is None:
        leave(stopping, "the trials are over, the race between them is not")
    if search.lost:
        again = f"`mpt studies retry {title}` tries again what failed"
        err.line(f"warning: {search.lost} trials failed; {again}")
    if not json:
        _say_best(search)


def _banner(study: studies.Study, device: str | None) -> str:
    """What will run, said before the libraries that it needs are imported, which takes seconds."""
    rounds = f" in rounds of {study.round}" if study.total > study.round else ""
    searched = ", ".join(study.space.dimensions(study.method))
    return (
        f"{study.title}: {study.method} on {study.setting}, {study.total} trials{rounds} "
        f"({study.sampler}) over {searched or 'nothing'}; gym {study.gym}, backbone "
        f"{study.backbone.name}, device {device or 'auto'}"
    )


def _say_best(search: mpt.Searched) -> None:
    """The best trial, and what to type next."""
    from mpt.report.words import interval, params, percent

    if (best := search.best) is None:
        out.line("No trial has an ARG, so there is none to promote.")
        return
    ends = f" {interval(best.interval)}" if best.interval.known else ""
    gain = f"{percent(best.arg)} %{ends}"
    out.line(f"Best: trial {best.trial}, ARG {gain}: {params(best.params)}")
    out.line()
    name_it = "" if search.is_latest else f" --study {search.study.title}"
    steps_on(
        {
            f"mpt promote best{name_it}": "the best trial on the full settings: ARG, report",
            search.runs: "the runs in MLflow",
        }
    )
