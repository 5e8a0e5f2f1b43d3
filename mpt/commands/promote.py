"""`mpt promote`: the final evaluation of a study's best trial."""

from __future__ import annotations

from typing import Annotated

import typer

from mpt.commands.console import err, out
from mpt.commands.stop import Budget, leave, this_command


def promote(
    which: Annotated[
        str, typer.Argument(help="best, or a trial's number as `mpt studies show` prints it.")
    ] = "best",
    study: Annotated[
        str | None, typer.Option(help="The study's name [default: the one begun last]")
    ] = None,
    settings: Annotated[
        str | None, typer.Option(help="Settings, by commas, e.g. 'Cls->Cls,NP->P' [default: all]")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")] = None,
    meta_engine: Annotated[
        str, typer.Option(help="MAML's gradient: auto, graph, recursion or higher; all are exact.")
    ] = "auto",
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server [default: a local store under mlruns/]")
    ] = None,
    budget: Budget = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ARG table as JSON.")] = False,
) -> None:
    """Run the best trial's configuration on the full settings: ARG table, report, champion.

    Each setting's prompt is learned on its source tasks and judged on its targets, all data seeds
    and learning rates, against plain prompt tuning. What the ledger holds is not computed again,
    so that the same command continues a promotion that was stopped.

    Example: mpt promote best --settings 'Cls->Cls,NP->P'
    """
    from mpt.commands.session import Session
    from mpt.lab.home import Home
    from mpt.lab.projection import Projection
    from mpt.lab.promote import choose
    from mpt.lab.promote import promote as run
    from mpt.lab.search import Search
    from mpt.lab.stopping import Stopped, Stopping
    from mpt.lab.study import make_study
    from mpt.report.caution import warnings
    from mpt.report.collect import promotion_findings
    from mpt.report.console import arg_json, arg_table
    from mpt.report.page import write_report

    search = Search.latest(Home.find()) if study is None else Search.load(Home.find(), study)
    chosen, trial = search.study, choose(search.trials, which)
    if settings is not None:
        names = [name.strip() for name in settings.split(",")]
        final = chosen.final.model_dump() | {"settings": names}
        chosen = make_study(chosen.model_dump() | {"final": final}, "--settings")
    stopping = Stopping(budget)
    with Session(
        chosen,
        device=device,
        meta_engine=meta_engine,
        tracking_uri=tracking_uri,
        stopping=stopping,
    ) as session:
        try:
            with stopping:
                promotion = run(chosen, trial, session.lab)
        except Stopped as stopped:
            session.progress.say(session.summary())
            leave(stopping, str(stopped))
        found = promotion_findings(promotion, search.trials, this_command())
        page = write_report(found, session.home.reports / f"{chosen.title}-{trial.number + 1}")
        model = Projection(session.tracker, chosen, session.home).promotion(promotion, page)
        session.progress.say(session.summary())
    if json:
        typer.echo(arg_json(promotion.gains))
        return
    out.print(arg_table(promotion.gains, found.title))
    for warning in warnings(found):
        err.print(f"warning: {warning}", markup=False, soft_wrap=True, style="yellow")
    out.print(f"Report:   {page}", markup=False, soft_wrap=True)
    if model:
        out.print(f"Champion: models:/{model}@champion", markup=False, soft_wrap=True)
