"""`mpt run`: one meta-training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal import completion
from mpt.commands.terminal.console import ConsoleProgress, out, steps_on
from mpt.commands.terminal.options import (
    Deterministic,
    Device,
    MetaEngine,
    Method,
    Quiet,
    TrackingUri,
    Verbose,
    from_home,
    given,
)
from mpt.methods import method as known_method


def run(
    method: Method = None,
    study: Annotated[
        Path | None,
        typer.Option(callback=from_home, help="A study file (YAML); options override its keys."),
    ] = None,
    gym: Annotated[
        str | None, typer.Option(help="mini, or a folder of tasks (default: mini)")
    ] = None,
    setting: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.settings,
            help="The setting whose source tasks are learned on (default: R->R)",
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="mini, a Hub id, a folder or a GGUF file (default: mini)")
    ] = None,
    inner_lr: Annotated[float | None, typer.Option(help="Learning rate of the inner loop.")] = None,
    inner_steps: Annotated[int | None, typer.Option(help="Steps of the inner loop.")] = None,
    outer_lr: Annotated[float | None, typer.Option(help="Learning rate of the outer loop.")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates of the initial prompt.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the initial prompt and the episodes.")
    ] = None,
    device: Device = None,
    meta_engine: MetaEngine = "auto",
    deterministic: Deterministic = False,
    tracking_uri: TrackingUri = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Learn one initial prompt, without a search.

    Values that are not given come from the study's `inner` and `outer`. Running the same command
    again computes nothing.

    Example: mpt run --method fomaml --outer-lr 0.1 --steps 60
    """
    from mpt.api.values.study import studied

    if method is not None:
        known_method(method)
    changes = given(method=method, gym=gym, setting=setting, seed=seed, backbone=backbone)
    parts = {
        "inner": given(lr=inner_lr, steps=inner_steps),
        "outer": given(lr=outer_lr, steps=steps),
    }
    changes |= {name: part for name, part in parts.items() if part}
    chosen = studied(study, changes)
    learned = mpt.run(
        chosen,
        device=device,
        meta_engine=meta_engine,
        deterministic=deterministic,
        tracking_uri=tracking_uri,
        progress=ConsoleProgress(quiet=quiet, verbose=verbose),
    )
    losses, config, prompt = learned.losses, learned.config, learned.prompt
    if json:
        run = {"digest": learned.digest, "method": config.method, "state": prompt.unit.state}
        ends = {"first_loss": losses[0], "last_loss": losses[-1], "steps": len(losses)}
        out.json({**run, **ends, "prompt": str(prompt.file)})
        return
    tasks = f"{len(config.sources)} source tasks"
    out.line(f"Run:    {learned.digest}, {config.method} on {tasks}")
    out.line(f"Loss:   {losses[0]:.4f} to {losses[-1]:.4f} in {len(losses)} steps")
    out.line(f"Prompt: {prompt.file}")
    out.line()
    words = ["mpt", "evaluate", learned.digest, "--setting", chosen.setting]
    if study is not None:
        words += ["--study", str(study)]
    if gym is not None:
        words += ["--gym", gym]
    judge = shlex.join(words)
    steps_on({judge: "its ARG on the targets", learned.runs: "the runs in MLflow"})
