"""`mpt studies reap` and `mpt studies retry`: trials that no driver is working on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import out
from mpt.commands.terminal.options import TrackingUri


def reap(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.studies, help="The study's name (default: the newest one)"
        ),
    ] = None,
    tracking_uri: TrackingUri = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Release trials that a dead driver left.

    They are closed in Optuna and in MLflow; nothing is computed. They wait for the next `mpt
    sweep`, which resumes them, or fail where the study file says so (errors.killed). A study with
    a running driver is left alone.

    Example: mpt studies reap mini-reptile
    """
    found = mpt.reap(name, tracking_uri=tracking_uri)
    if json:
        state = "failed" if found.failed else "waiting"
        out.json({"study": found.study, state: list(found.trials)})
        return
    named = ", ".join(f"trial {number}" for number in found.trials)
    after = "failed" if found.failed else "waits for the next `mpt sweep`"
    out.line(f"{found.study}: {f'{named}: {after}' if named else 'no trial was left running'}")


def retry(
    name: Annotated[
        str, typer.Argument(autocompletion=completion.studies, help="The study's name.")
    ],
    diverged: Annotated[
        bool, typer.Option("--diverged/--failed", help="Which trials to retry.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Retry trials that failed or diverged.

    The next `mpt sweep` runs them again with the same parameters. The study's total stays the
    same: a retry takes the place of the attempt before it.

    Example: mpt studies retry mini-reptile --failed
    """
    found = mpt.retry(name, diverged=diverged)
    if json:
        out.json({"study": name, "retried": [asdict(one) for one in found]})
        return
    if not found:
        how = "diverged" if diverged else "failed"
        out.line(f"{name}: no trial {how} that is not tried again already")
    for one in found:
        words = f"trial {one.trial} is tried again as trial {one.again}"
        out.line(f"{words} by the next `mpt sweep`")
