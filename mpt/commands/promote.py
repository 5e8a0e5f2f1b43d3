"""`mpt promote`: the final evaluation of a study's best trial."""

from __future__ import annotations

from typing import Annotated

import typer

from mpt.commands.cluster import GpusPerPack, Ray
from mpt.commands.console import err, out
from mpt.commands.dry_run import DryRun
from mpt.commands.options import Device, MetaEngine, TrackingUri
from mpt.commands.stop import Budget, leave, this_command


def promote(
    which: Annotated[
        str, typer.Argument(help="best, or a trial's number as `mpt studies show` prints it.")
    ] = "best",
    study: Annotated[
        str | None, typer.Option(help="The study's name (default: the newest one)")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help="Settings, comma-separated: cls-cls,np-p or 'NP->P' (default: all)"),
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods, comma-separated, or all (default: the study's own)")
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(help="pt, ft (full fine-tuning) or all (default: pt)")
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, help="How many trials are re-tested on fresh seeds; 1: none.")
    ] = 3,
    device: Device = None,
    meta_engine: MetaEngine = "auto",
    tracking_uri: TrackingUri = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ARG table as JSON.")] = False,
) -> None:
    """Run the best trial on the full settings.

    The result is a table of ARG, a report and a registered prompt. The best trials are first
    re-tested on data seeds that the search did not see; a trial given by its number is taken as it
    is. Each setting's prompt is learned on its source tasks and evaluated on its targets, with all
    data seeds and learning rates, against plain prompt tuning. Other methods take part with the
    best trial of their own study (mini-maml beside mini-reptile), or with defaults. Nothing that
    the ledger holds is computed again, so the same command resumes a promotion that was stopped.

    Example: mpt promote best --methods all --baselines all --settings cls-cls,np-p
    """
    from mpt.commands.dry_run import dry_run as show_plan
    from mpt.commands.session import Session
    from mpt.compute.stopping import Stopped, Stopping
    from mpt.lab.campaign import final_settings, with_final
    from mpt.lab.matrix import Matrix
    from mpt.lab.projection import Projection
    from mpt.lab.promote import prepare
    from mpt.lab.promote import promote as run
    from mpt.lab.recorded import note_promotion
    from mpt.lab.retest import choose, untested
    from mpt.lab.workload import campaign_rows, campaign_work
    from mpt.report.caution import warnings
    from mpt.report.collect import promotion_findings, retest_lines
    from mpt.report.page import write_report
    from mpt.report.views import arg_json, arg_sheet
    from mpt.search.search import Search
    from mpt.store.home import Home
    from mpt.study.places import gym_of
    from mpt.tracking.registry import registered_as

    search = Search.latest(Home.find()) if study is None else Search.load(Home.find(), study)
    choose(search.trials, which)
    gym_of(search.study)
    chosen = with_final(search.study, settings=settings, methods=methods, baselines=baselines)
    stopping = Stopping(budget)
    with Session(
        chosen,
        device=device,
        meta_engine=meta_engine,
        methods=chosen.final.methods,
        tracking_uri=tracking_uri,
        stopping=stopping,
        ray=ray,
        gpus_per_pack=gpus_per_pack,
    ) as session:
        if dry_run:
            show_plan(
                session,
                lambda lab: campaign_work(chosen, search.trials, lab, which, top_k),
                json=json,
            )
            return
        # every row is read before the lease: a promotion that is refused has written nothing
        final_settings(chosen, session.worker)
        with session.alone(f"promotion:{chosen.title}") as lease:
            try:
                with stopping:
                    wanted, retests = prepare(chosen, search.trials, session.lab, which, top_k)
                    if which == "best" and (why := untested(chosen, search.trials, top_k)):
                        session.progress.say(f"no re-test of {chosen.title}: {why}")
                    for again in retests:
                        for line in retest_lines(again):
                            session.progress.say(f"re-test of {again.study}: {line}")
                    for entrant in wanted.entrants:
                        session.progress.say(f"{entrant.method}: {entrant.origin}")
                    matrix = Matrix(campaign_rows(wanted, session.lab))
                    session.progress.matrix, session.lab.on_units = matrix, matrix.see
                    promotion = run(wanted, session.lab, retests)
            except Stopped as stopped:
                session.progress.say(session.summary())
                leave(stopping, str(stopped))
            lease.check()
            note_promotion(promotion, which, top_k, session.lab.ledger)
            found = promotion_findings(promotion, search.trials, this_command(), session.home)
            number = promotion.trial.number + 1
            page = write_report(found, session.home.reports / f"{chosen.title}-{number}")
            model = Projection(session.tracker, chosen, session.home).promotion(promotion, page)
            session.progress.say(session.summary())
    if json:
        out.raw(arg_json(promotion.gains))
        return
    out.sheet(arg_sheet(promotion.gains, found.title))
    for warning in warnings(found):
        err.line(f"warning: {warning}", "yellow")
    out.line(f"Report:   {page}")
    if model and (own := registered_as(session.home, model, search.owner)) != model:
        line = f"warning: the model {model} belongs to another study; this one's is {own}"
        err.line(line, "yellow")
        model = own
    if model:
        out.line(f"Champion: models:/{model}@champion")
