"""`mpt gym room`: what an initial prompt could gain at most on each task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.cluster import GpusPerPack, Ray
from mpt.commands.terminal.console import ConsoleProgress, out
from mpt.commands.terminal.dry_run import DryRun, print_estimate
from mpt.commands.terminal.options import Device, Quiet, Verbose, by_commas, from_home
from mpt.commands.terminal.stop import Budget, leave
from mpt.errors import ConfigError

if TYPE_CHECKING:
    from mpt.api.room import Measured


def room(
    tasks: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.tasks,
            help="Tasks, comma-separated (default: all of the gym's)",
        ),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: mini)")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="mini, a Hub id, a folder or a GGUF file (default: mini)")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            callback=from_home,
            help="A study file, for `backbone`, `tuning` and the seeds and rates of `final`.",
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(help="Training rows of the oracle (default: 2000; of a folder: all it has)"),
    ] = None,
    updates: Annotated[
        int | None, typer.Option(help="Updates of the oracle's prompt (default: 400)")
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(help="Learning rates of the oracle, comma-separated (default: the study's)"),
    ] = None,
    fine_tuning: Annotated[
        bool, typer.Option("--fine-tuning", help="Also measure few-shot full fine-tuning.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", callback=from_home, help="Write the table to this .csv, .md or .tex file."
        ),
    ] = None,
    device: Device = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    ray: Ray = None,
    gpus_per_pack: GpusPerPack = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure what an initial prompt could gain.

    The room of a task is the score of an oracle, a prompt tuned on plenty of rows, minus that of
    plain few-shot prompt tuning (mean over the data seeds). Chance and the score of always giving
    the most frequent answer stand beside it. Where there is no room, no initial prompt can help.
    Nothing that the ledger holds is computed again, so the same command resumes.

    Example: mpt gym room --updates 800 --out room.md
    """
    from mpt.report.tables.room_table import check_suffix, room_json, room_sheet, write_rooms

    if to is not None:
        check_suffix(to)
    stopping = mpt.Stopping(budget)
    ways: Measured = {
        "study": study,
        "gym": gym,
        "backbone": backbone,
        "rows": rows,
        "rates": _numbers(rates),
        "fine_tuning": fine_tuning,
        "device": device,
        "budget": stopping,
        "ray": ray,
        "gpus_per_pack": gpus_per_pack,
        "progress": ConsoleProgress(quiet=quiet, verbose=verbose),
    }
    if updates is not None:
        ways["updates"] = updates
    if dry_run:
        print_estimate(mpt.estimate_room(by_commas(tasks), **ways), json=json)
        return
    try:
        measured = mpt.room(by_commas(tasks), **ways)
    except mpt.Stopped as stopped:
        leave(stopping, str(stopped))
    if to is not None:
        write_rooms(to, measured.records)
    if json:
        out.raw(room_json(measured.records, measured.left_out))
        return
    out.sheet(room_sheet(measured.records))
    if to is not None:
        out.line(f"Table: {to}")


def _numbers(rates: str | None) -> list[float]:
    """Return the learning rates that were given with commas between them."""
    try:
        return [float(rate) for rate in by_commas(rates)]
    except ValueError as error:
        raise ConfigError(f"--rates is {rates!r} ({error})", fix="give numbers: 0.5,0.2") from None
