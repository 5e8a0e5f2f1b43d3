"""`mpt gym`: the tasks — list, show, build, verify, mirror."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.console import ConsoleProgress, out
from mpt.commands.options import from_home
from mpt.commands.room import room

if TYPE_CHECKING:
    from mpt.gym.reach import Reach

app = typer.Typer(
    help="Build and inspect CrossFit's 160 tasks.",
    no_args_is_help=True,
)

JOBS = min(os.cpu_count() or 1, 8)
"""Tasks built side by side by default; each takes a processor and about 0.3 GB."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Names = Annotated[list[str] | None, typer.Argument(help="Names of tasks (default: all)")]


@app.command("list")
def list_tasks(
    family: Annotated[
        str | None,
        typer.Option(help="Only this family: classification, conditional_generation, other or qa."),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: CrossFit's catalogue)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks by family.

    With metric, number of shots, and role in the settings. `--gym mini` lists the embedded tasks.

    Example: mpt gym list --family qa
    """
    from mpt.commands.gym_view import print_tasks
    from mpt.gym.overview import listed

    tasks = listed(family, gym)
    if as_json:
        out.json([asdict(task) for task in tasks])
    else:
        print_tasks(tasks)


@app.command("show")
def show(
    task: Annotated[str, typer.Argument(help="A task, e.g. glue-mrpc.")],
    folder: Annotated[
        str | None, typer.Option("--gym", help="Folder of a gym; adds sizes, labels and examples.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            callback=from_home, help="With --gym: a study file, for its backbone and token limits."
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="With --gym: mini, a Hub id or a folder (default: mini)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one task: card, source and roles.

    A task of the embedded gym needs no --gym. With --gym also its sizes, labels, an example per
    split, and how many inputs the backbone cuts off and how many answers it cannot write.

    Example: mpt gym show glue-mrpc --gym data/gym
    """
    from dataclasses import replace

    from mpt.commands.gym_view import print_task
    from mpt.errors import ConfigError
    from mpt.gym.overview import shown

    if folder is None and (study or backbone):
        raise ConfigError(
            "--study and --backbone say who reads the rows of --gym",
            fix="give that too",
        )
    found = shown(task, folder)
    if folder is not None:
        found = replace(found, reach=_reaches(task, folder, study, backbone))
    if as_json:
        out.json(asdict(found))
    else:
        print_task(found)


def _reaches(task: str, folder: str, study: Path | None, backbone: str | None) -> tuple[Reach, ...]:
    """What of the task's rows the study's backbone can read and write."""
    from mpt.backbone.load import load_backbone
    from mpt.doctor.token_reach import reaches
    from mpt.gym.source import open_gym
    from mpt.study.study_file import resolve

    changes = {"gym": folder} | ({"backbone": {"name": backbone}} if backbone else {})
    config = resolve(study, changes).backbone
    return tuple(reaches(open_gym(folder), [task], load_backbone(config), config))


@app.command("build")
def build(
    tasks: Names = None,
    to: Annotated[
        Path, typer.Option("--out", callback=from_home, help="Folder to write the tasks to.")
    ] = Path("data/gym"),
    mirror: Annotated[
        Path | None,
        typer.Option(callback=from_home, help="Read rows from this mirror instead of the Hub."),
    ] = None,
    shots: Annotated[
        str | None,
        typer.Option(help="k per class (or per task), or `all` (default: the official k)"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of tasks built in parallel.")] = JOBS,
    as_json: AsJson = False,
) -> None:
    """Build tasks as CrossFit's TSV files.

    Tasks that are already there are kept.

    Example: mpt gym build glue-mrpc boolq --out data/gym
    """
    from mpt.commands.gym_view import print_left_out, print_outcomes
    from mpt.gym.build.hub_rows import HubRows
    from mpt.gym.build.many import build_many, chosen_cards, left_out, read_shots
    from mpt.gym.build.rows import MirrorRows
    from mpt.gym.build.task import BuildPlan

    source = MirrorRows(mirror) if mirror else HubRows()
    chosen = chosen_cards(tasks or (), source)
    plan = BuildPlan(source, to, read_shots(shots))
    if isinstance(source, HubRows):
        source.reach()
    outcomes = []
    with ConsoleProgress().stage(f"tasks from {source.name}", len(chosen)) as advance:
        for outcome in build_many(chosen, plan, jobs=jobs):
            outcomes.append(outcome)
            advance(1)
    outcomes.sort(key=lambda outcome: outcome.task)
    if as_json:
        out.json([asdict(outcome) for outcome in outcomes])
    else:
        print_outcomes(outcomes, to)
        if not tasks:
            print_left_out(left_out(chosen), source.name)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


@app.command("verify")
def verify(
    folder: Annotated[
        Path, typer.Argument(callback=from_home, help="The folder that `mpt gym build` made.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            callback=from_home,
            help="Folder of official TSV files, to compare contents where MD5 sums cannot.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare tasks with the official MD5 sums.

    The exit code is 1 if a task that should match does not.

    Example: mpt gym verify data/gym
    """
    from mpt.commands.gym_view import print_verdicts
    from mpt.gym.build.verify import FAILING
    from mpt.gym.build.verify import verify as verdicts

    found = list(verdicts(folder, against))
    if as_json:
        out.json([asdict(verdict) for verdict in found])
    else:
        print_verdicts(found)
    if any(verdict.state in FAILING for verdict in found):
        raise typer.Exit(1)


@app.command("mirror")
def mirror(
    to: Annotated[
        Path, typer.Option("--out", callback=from_home, help="Folder to write the mirror to.")
    ],
    tasks: Annotated[str | None, typer.Option(help="Tasks, comma-separated (default: all)")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the tasks' rows from the Hub.

    For machines without internet: `mpt gym build --mirror` reads the copy.

    Example: mpt gym mirror --out mirror --tasks boolq,glue-mrpc
    """
    from mpt.commands.gym_view import print_copies
    from mpt.gym.build.hub_rows import HubRows
    from mpt.gym.build.many import chosen_cards
    from mpt.gym.build.mirror import mirror as copy
    from mpt.gym.build.mirror import wanted_splits

    named = [name.strip() for name in tasks.split(",")] if tasks else []
    chosen = chosen_cards(named, HubRows())
    HubRows().reach()
    copies = []
    with ConsoleProgress().stage("splits from the Hub", len(wanted_splits(chosen))) as advance:
        for copied in copy(chosen, to):
            copies.append(copied)
            advance(1)
    if as_json:
        out.json([asdict(copied) for copied in copies])
    else:
        print_copies(copies, to)
    if any(copied.state == "failed" for copied in copies):
        raise typer.Exit(1)


@app.command("page")
def page() -> None:
    """Print docs/gym.md.

    The 160 tasks with source, licence, metric, k and official files.

    Example: mpt gym page > docs/gym.md
    """
    from mpt.gym.page import gym_page

    out.raw(gym_page())


app.command("room")(room)
