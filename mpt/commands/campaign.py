"""`mpt campaign`: a question of the paper, from a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mpt.commands.cluster import GpusPerPack, Ray
from mpt.commands.console import ConsoleProgress, err, out
from mpt.commands.options import Device, MetaEngine, TrackingUri, from_home
from mpt.commands.stop import Budget, leave, this_command
from mpt.errors import ConfigError
from mpt.report.grid import Sheet

if TYPE_CHECKING:
    from mpt.gym.partitions import Partitions
    from mpt.study.presets import Preset, Row


def campaign(
    preset: Annotated[
        str | None,
        typer.Option(
            help="A preset, in miniature on the embedded gym: q1, q2, q3, q4, case-study, "
            "sensitivity, similarity or source-choice."
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
    meta_engine: MetaEngine = "auto",
    tracking_uri: TrackingUri = None,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    budget: Budget = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run; write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Answer one of the paper's questions.

    The answer is one table of variants x methods, with ARG and intervals. A preset gives every
    hyper-parameter, so nothing is searched. Nothing that the ledger holds is computed again,
    whichever preset it came from; the same command resumes a campaign that was stopped.

    Example: mpt campaign --preset q2
    """
    from mpt.commands.options import given
    from mpt.report.preset_page import pairs_plan, plan_grid
    from mpt.study.presets import miniature, read_preset, rows

    if (preset is None) == (study is None):
        raise ConfigError("give one of --preset NAME (in miniature) and --study FILE (in full)")
    changes = given(gym=gym)
    asked = miniature(str(preset), changes) if study is None else read_preset(study, changes)
    published, whole = _settings(asked, dry_run)
    wanted = rows(asked, published, whole)
    if dry_run:
        out.sheet(Sheet(pairs_plan(asked) if asked.pairs else plan_grid(wanted), asked.title))
        return
    ways = {
        "progress": ConsoleProgress(),
        "device": device,
        "meta_engine": meta_engine,
        "tracking_uri": tracking_uri,
        "ray": ray,
        "gpus_per_pack": gpus_per_pack,
    }
    if asked.pairs:
        _pairs(asked, ways, budget, json)
    else:
        _rows(asked, wanted, ways, budget, json)


def _settings(asked: Preset, dry_run: bool) -> tuple[Partitions, Partitions | None]:
    """The gym's settings, and the published ones that it may hold a part of.

    Without the gym's folder a dry run shows what the published settings would be.
    """
    from mpt.gym.crossfit import crossfit_partitions
    from mpt.gym.source import open_gym

    where = asked.base.gym
    if where == "mini":
        return open_gym().partitions, None
    published = crossfit_partitions()
    if dry_run and not Path(where).exists():
        line = f"{where} does not exist; showing the published settings"
        err.line(line)
        return published, published
    return open_gym(where).partitions, published


def _rows(
    asked: Preset, wanted: list[Row], ways: dict[str, Any], budget: str | None, json: bool
) -> None:
    from itertools import groupby

    from mpt.api.session import Session
    from mpt.compute.stopping import Stopped, Stopping
    from mpt.lab.preset_runs import answer
    from mpt.lab.projection import Projection
    from mpt.report.caution import warnings
    from mpt.report.preset_page import answer_findings, answer_grid, answer_json, write_answer
    from mpt.store.home import Home

    stopping, promotions = Stopping(budget), []
    for _, group in groupby(wanted, key=lambda row: row.entries[0].study.backbone):
        alike = list(group)
        methods = [entry.study.method for row in alike for entry in row.entries]
        first = alike[0].entries[0].study
        with Session(first, methods=methods, budget=stopping, **ways) as session:
            try:
                with stopping, session.alone(f"campaign:{asked.name}"):
                    for promotion in answer(alike, session.lab):
                        promotions.append(promotion)
                        projection = Projection(
                            session.tracker, promotion.study, session.home, asked.digest
                        )
                        projection.campaign(f"preset-part-{len(promotions)}", promotion)
            except Stopped as stopped:
                session.progress.say(session.summary())
                leave(stopping, str(stopped))
            session.progress.say(session.summary())
    found = answer_findings(asked, wanted, promotions, this_command())
    grid = answer_grid(wanted, found.gains)
    page = write_answer(found, grid, Home.find().reports / f"preset-{asked.name}")
    if json:
        out.raw(answer_json(asked, wanted, found.gains))
        return
    out.sheet(Sheet(grid, asked.title))
    for warning in warnings(found):
        err.line(f"warning: {warning}", "yellow")
    out.line(f"Report: {page}")


def _pairs(asked: Preset, ways: dict[str, Any], budget: str | None, json: bool) -> None:
    from mpt.api.session import Session
    from mpt.compute.stopping import Stopped, Stopping
    from mpt.lab.preset_runs import answer_pairs
    from mpt.report.preset_page import pairs_grid, pairs_json, write_grid

    stopping = Stopping(budget)
    with Session(asked.base, budget=stopping, **ways) as session:
        try:
            with stopping, session.alone(f"campaign:{asked.name}"):
                found = answer_pairs(asked, session.lab)
        except Stopped as stopped:
            session.progress.say(session.summary())
            leave(stopping, str(stopped))
        session.progress.say(session.summary())
    grid = pairs_grid(found)
    folder = session.home.reports / f"preset-{asked.name}"
    write_grid(grid, folder, "pairs", asked.title)
    if json:
        out.raw(pairs_json(asked, found))
        return
    out.sheet(Sheet(grid, asked.title))
    out.line(f"Tables: {folder}")
