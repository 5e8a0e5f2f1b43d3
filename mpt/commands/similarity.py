"""`mpt similarity`: which tasks have prompts that are alike, and which sources to take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.console import ConsoleProgress, err, out
from mpt.commands.options import from_home

if TYPE_CHECKING:
    from mpt.lab.similarity import Spaces
    from mpt.study.study import Study


FEW = 5
"""Missing tasks that are told by name."""


def similarity(
    study: Annotated[
        str | None,
        typer.Option(help="A study's name, or a study file (default: the newest study)"),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Tasks, comma-separated (default: all of the study's settings)"),
    ] = None,
    suggest: Annotated[
        str | None, typer.Option(help="A target task to suggest source tasks for.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="With --suggest: how many source tasks.")] = 5,
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune the prompts that are missing.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", callback=from_home, help="Write a heat map to this .png or .svg file."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="With --tune: cpu, cuda or cuda:N.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the matrix as JSON.")] = False,
) -> None:
    """Compare the tuned prompts of tasks.

    A task's subspace holds 95 % of the prompt that plain prompt tuning found for it (by SVD). The
    correlation of another task with it is the norm of that task's prompt projected onto the
    subspace, averaged over data seeds: 1 within the subspace, 0 at right angles. Prompts come from
    the ledger, for each seed the one with the best dev score.

    Example: mpt similarity --suggest film-sentiment --out similarity.png
    """
    from mpt.errors import InputError
    from mpt.lab.similarity import similarity as compare
    from mpt.report.figures.heat import similarity_figure
    from mpt.report.figures.style import save
    from mpt.report.views import similarity_json, similarity_sheet, sources_sheet

    if to is not None and to.suffix not in (".png", ".svg"):
        raise InputError(f"--out is {str(to)!r}; give a file that ends in .png or .svg")
    chosen = _study(study)
    named = tuple(dict.fromkeys(name.strip() for name in tasks.split(","))) if tasks else None
    if named and suggest and suggest not in named:
        named = (*named, suggest)
    found = compare(_spaces(chosen, named, device) if tune else _recorded(chosen, named))
    sources = found.sources(suggest)[:count] if suggest else []
    if to is not None:
        save(similarity_figure(found), to)
    if json:
        out.raw(similarity_json(found, suggest, sources))
        return
    out.sheet(sources_sheet(suggest, sources, found) if suggest else similarity_sheet(found))
    if suggest:
        _say_sources(suggest, [task for task, _ in sources])
    if to is not None:
        out.line(f"Heat map: {to}")


def _say_sources(target: str, sources: list[str]) -> None:
    """The line for a study file, and which of the sources share the target's data."""
    from mpt.gym.crossfit import near_duplicates
    from mpt.gym.partitions import Setting

    out.line(f"In a study file:  sources: [{', '.join(sources)}]")
    for pair in near_duplicates(Setting("suggested", tuple(sources), (target,))):
        line = f"warning: {pair.source} shares data with {target}: {pair.why}"
        err.line(line, "yellow")


def _study(which: str | None) -> Study:
    from mpt.search.search import Search
    from mpt.store.home import Home
    from mpt.study.places import gym_of
    from mpt.study.study_file import resolve

    if which is not None and Path(which).suffix in (".yaml", ".yml"):
        return resolve(from_home(Path(which)), {})
    home = Home.find()
    study = (Search.latest(home) if which is None else Search.load(home, which)).study
    gym_of(study)
    return study


def _spaces(study: Study, tasks: tuple[str, ...] | None, device: str | None) -> Spaces:
    """All prompts, those that the ledger lacks tuned now."""
    from mpt.api.session import Session
    from mpt.lab.similarity import tasks_of, tuned

    with Session(study, device=device, progress=ConsoleProgress()) as session:
        named = tasks or tasks_of(study, session.worker.gym)
        with session.alone(f"similarity:{study.title}"):
            found = tuned(study, named, session.lab)
        session.progress.say(session.summary())
    return found


def _recorded(study: Study, tasks: tuple[str, ...] | None) -> Spaces:
    """The prompts that the ledger holds; nothing is written."""
    from mpt.compute.worker import Worker
    from mpt.gym.source import open_gym
    from mpt.lab.recorded import Recorded
    from mpt.lab.similarity import recorded, tasks_of
    from mpt.store.home import Home
    from mpt.store.ledger import open_ledger

    home = Home.find()
    with open_ledger(home) as ledger:
        lab = Recorded(Worker(open_gym(study.gym), study.backbone, home, computes=False), ledger)
        named = tasks or tasks_of(study, lab.worker.gym)
        found = recorded(study, named, lab)
    lost = [task for task in named if task not in found]
    if found and lost:
        named = ", ".join(lost) if len(lost) <= FEW else f"{len(lost)} of {len(named)} tasks"
        line = f"warning: no tuned prompt of {named}; --tune tunes what is missing"
        err.line(line, "yellow")
    return found
