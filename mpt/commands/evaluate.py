"""`mpt evaluate`: a prompt on target tasks, beside plain prompt tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mpt.commands.console import err, out
from mpt.commands.options import Device, from_home


def evaluate(
    prompt: Annotated[
        str,
        typer.Argument(help="A digest, a registered prompt's name, or `vocabulary` (plain PT)."),
    ],
    setting: Annotated[
        str | None, typer.Option(help="The setting whose target tasks are used (default: R->R)")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Target tasks, comma-separated, instead of a setting.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            callback=from_home,
            help="A study file, for `tuning` and the seeds and rates of `final`.",
        ),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: mini)")
    ] = None,
    device: Device = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tune a prompt on target tasks and score it.

    Prints the scores and the ARG over plain prompt tuning. All data seeds and learning rates of
    the study's `final` are run; for each seed the rate with the best dev score counts. Nothing
    that the ledger holds is computed again.

    Example: mpt evaluate 1f2e3d --setting 'Cls->Cls'
    """
    from mpt.commands.session import Session, given
    from mpt.config import VOCABULARY, located
    from mpt.errors import ResultsError
    from mpt.lab.evaluate import evaluate as judge
    from mpt.lab.evaluate import targets_of
    from mpt.lab.run import scores
    from mpt.report.evaluation import evaluation_grid, evaluation_json
    from mpt.report.grid import Sheet
    from mpt.report.views import arg_sheet
    from mpt.store.home import Home
    from mpt.store.ledger import open_ledger
    from mpt.store.row_checks import config_of
    from mpt.study.study_file import resolve
    from mpt.tracking.provenance import find_prompt

    unit = None
    changes: dict[str, Any] = given(gym=gym, setting=setting)
    if prompt != VOCABULARY:
        home = Home.find()
        with open_ledger(home) as ledger:
            unit = find_prompt(ledger, home, prompt)
        changes["backbone"] = located(config_of(unit)).model_dump()
    chosen = resolve(study, changes)
    named = tuple(dict.fromkeys(name.strip() for name in tasks.split(","))) if tasks else ()
    with Session(chosen, device=device) as session:
        name, targets = targets_of(chosen, unit, named, session.worker)
        with session.alone(f"evaluation:{unit.digest if unit else VOCABULARY} on {name}"):
            found = judge(chosen, unit, name, targets, session.lab)
        session.progress.say(session.summary())
    told = scores(found.judged)
    if not told:
        raise ResultsError("every cell diverged, so there is no score; give smaller rates")
    if json:
        out.raw(evaluation_json(prompt, told, found.gain))
        return
    out.sheet(Sheet(evaluation_grid(name, told, found.gain), f"{prompt} on {name}"))
    if found.gain is None:
        return
    out.sheet(arg_sheet([found.gain]))
    for warning in found.gain.warnings:
        err.line(f"warning: {warning}", "yellow")
