"""`mpt sweep`: search the hyper-parameters of a method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mpt.commands.cluster import GpusPerPack, Ray
from mpt.commands.console import out, steps_on
from mpt.commands.dry_run import DryRun
from mpt.commands.options import Device, MetaEngine, Method, TrackingUri, from_home
from mpt.commands.stop import Budget, leave


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
        typer.Option(help="The setting to search on (default: R->R, or the file's first)"),
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
    device: Device = None,
    meta_engine: MetaEngine = "auto",
    tracking_uri: TrackingUri = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    json: Annotated[bool, typer.Option("--json", help="Print the trials as JSON.")] = False,
) -> None:
    """Search a method's learning rates and steps.

    Each trial learns an initial prompt on the source tasks and is scored by its ARG on the
    validation tasks. The same command resumes a study that was stopped: nothing recorded is
    computed again, and --trials is the total. Ctrl-C lets the current pack finish; a second one
    stops at once.

    Example: mpt sweep --method reptile --trials 12
    """
    from mpt.commands.dry_run import dry_run as show_plan
    from mpt.commands.session import Session, given
    from mpt.compute.stopping import Stopping
    from mpt.gym.partitions import read_partitions
    from mpt.lab.plan import plan
    from mpt.lab.projection import Projection
    from mpt.lab.sweep import sweep as run
    from mpt.lab.workload import sweep_work
    from mpt.methods import method as known_method
    from mpt.report.columns import trial_interval
    from mpt.report.views import best_trial, trials_json, trials_sheet
    from mpt.report.words import interval, params, percent
    from mpt.search.search import Search
    from mpt.search.storage import study_names
    from mpt.study.study_file import resolve

    if method is not None:
        known_method(method)
    changes: dict[str, Any] = given(
        method=method,
        gym=gym,
        partitions=None if partitions is None else read_partitions(partitions),
        setting=setting,
        trials=trials,
        pack=pack,
        name=name,
        seed=seed,
    )
    if backbone is not None:
        changes["backbone"] = {"name": backbone}
    chosen, stopping = resolve(study, changes), Stopping(budget)
    with Session(
        chosen,
        device=device,
        meta_engine=meta_engine,
        tracking_uri=tracking_uri,
        stopping=stopping,
        ray=ray,
        gpus_per_pack=gpus_per_pack,
    ) as session:
        concrete = plan(chosen, session.worker)
        Search.check(chosen, concrete.definition, session.home)
        if dry_run:
            is_begun = chosen.title in study_names(session.home)
            begun = Search.load(session.home, chosen.title).trials if is_begun else []
            show_plan(session, lambda lab: sweep_work(concrete, begun, lab), json=json)
            return
        lab, projection = session.lab, Projection(session.tracker, chosen, session.home)
        with stopping, projection.ended_early():
            finished = run(
                concrete,
                lab,
                session.home,
                on_trial=projection.trial,
                on_end=projection.close_study,
            )
        session.progress.say(session.summary())
    if json:
        out.raw(trials_json(finished))
    else:
        out.sheet(trials_sheet(chosen.title, finished))
    counted = sum(trial.is_over and trial.state != "failed" for trial in finished)
    if stopping.reason and (left := chosen.total - counted) > 0:
        leave(stopping, f"{chosen.total - left} of {chosen.total} trials are over, {left} left")
    tried = [trial.params for trial in finished if trial.state != "failed"]
    if lost := sum(t.state == "failed" and t.params not in tried for t in finished):
        again = f"`mpt studies retry {chosen.title}` tries again what failed"
        session.progress.say(f"warning: {lost} trials failed; {again}")
    if json:
        return
    if (best := best_trial(finished)) is None:
        out.line("No trial has an ARG, so there is none to promote.")
        return
    gain = f"{percent(best.arg)} % {interval(trial_interval(best))}"
    out.line(f"Best: trial {best.number + 1}, ARG {gain}: {params(best.params)}")
    out.line()
    is_latest = study_names(session.home)[0] == chosen.title
    name_it = "" if is_latest else f" --study {chosen.title}"
    steps_on(
        {
            f"mpt promote best{name_it}": "the best trial on the full settings: ARG, report",
            session.see_runs: "the runs in MLflow",
        }
    )
