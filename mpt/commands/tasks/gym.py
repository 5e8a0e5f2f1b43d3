"""`mpt gym`: the tasks — list, show, build, verify, mirror, room."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.tasks.room import room
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import ConsoleProgress, out
from mpt.commands.terminal.options import from_home

app = typer.Typer(
    help="List, build and measure tasks.",
    no_args_is_help=True,
)

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
    from mpt.commands.tasks.gym_view import print_tasks

    tasks = mpt.gym_tasks(family, gym)
    if as_json:
        out.json([asdict(task) for task in tasks])
    else:
        print_tasks(tasks)


@app.command("show")
def show(
    task: Annotated[
        str, typer.Argument(autocompletion=completion.tasks, help="A task, e.g. glue-mrpc.")
    ],
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
    from mpt.commands.tasks.gym_view import print_task

    found = mpt.gym_task(task, folder, study=study, backbone=backbone)
    if as_json:
        out.json(asdict(found))
    else:
        print_task(found)


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
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Tasks built in parallel (default: one a processor, at most 8)"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build tasks as CrossFit's TSV files.

    Tasks that are already there are kept.

    Example: mpt gym build glue-mrpc boolq --out data/gym
    """
    from mpt.commands.tasks.gym_view import print_left_out, print_outcomes

    built = mpt.build_gym(
        to, tasks or (), mirror=mirror, shots=shots, jobs=jobs, progress=ConsoleProgress()
    )
    if as_json:
        out.json([asdict(outcome) for outcome in built.tasks])
    else:
        print_outcomes(built.tasks, to)
        print_left_out(built)
    if built.has_failed:
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
    from mpt.commands.tasks.gym_view import print_comparisons

    verified = mpt.verify_gym(folder, against)
    if as_json:
        out.json([asdict(task) for task in verified.tasks])
    else:
        print_comparisons(verified)
    if verified.failing:
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
    from mpt.commands.tasks.gym_view import print_copies

    named = [name.strip() for name in tasks.split(",")] if tasks else []
    copied = mpt.mirror_gym(to, named, progress=ConsoleProgress())
    if as_json:
        out.json([asdict(split) for split in copied.splits])
    else:
        print_copies(copied.splits, to)
    if copied.has_failed:
        raise typer.Exit(1)


@app.command("page")
def page() -> None:
    """Print docs/gym.md.

    The 160 tasks with source, licence, metric, k and official files.

    Example: mpt gym page > docs/gym.md
    """
    from mpt.api.gym import gym_page

    out.raw(gym_page())


app.command("room")(room)
