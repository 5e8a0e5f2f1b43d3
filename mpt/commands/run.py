"""`mpt run`: one meta-training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mpt.commands.console import out, steps_on
from mpt.commands.options import Device, MetaEngine, Method, TrackingUri, from_home


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
        typer.Option(help="The setting whose source tasks are learned on (default: R->R)"),
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
    tracking_uri: TrackingUri = None,
    json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Learn one initial prompt, without a search.

    Values that are not given come from the study's `inner` and `outer`. Running the same command
    again computes nothing.

    Example: mpt run --method fomaml --outer-lr 0.1 --steps 60
    """
    import shlex

    from mpt.commands.session import Session, given
    from mpt.errors import MptError
    from mpt.lab.evaluate import learn_one, one_run
    from mpt.lab.projection import Projection
    from mpt.methods import method as known_method
    from mpt.study.study_file import resolve

    if method is not None:
        known_method(method)
    changes: dict[str, Any] = given(method=method, gym=gym, setting=setting, seed=seed)
    parts = {
        "inner": given(lr=inner_lr, steps=inner_steps),
        "outer": given(lr=outer_lr, steps=steps),
        "backbone": given(name=backbone),
    }
    chosen = resolve(study, changes | {name: part for name, part in parts.items() if part})
    with Session(
        chosen, device=device, meta_engine=meta_engine, tracking_uri=tracking_uri
    ) as session:
        config = one_run(chosen, session.worker)
        with session.alone(f"run:{config.digest}"):
            unit = learn_one(config, session.lab)
            place = "its own sources" if chosen.sources else chosen.setting
            Projection(session.tracker, chosen, session.home).alone(config, unit, place)
        session.progress.say(session.summary())
        prompt = session.home.root / unit.artefact if unit.artefact else None
    if unit.state != "done":
        raise MptError(f"run {unit.digest} {unit.state}: {unit.reason}")
    curve = unit.curve
    if json:
        told = {"digest": unit.digest, "method": config.method, "state": unit.state}
        losses = {"first_loss": curve[0], "last_loss": curve[-1], "steps": len(curve)}
        out.json({**told, **losses, "prompt": str(prompt)})
        return
    tasks = f"{len(config.sources)} source tasks"
    out.line(f"Run:    {unit.digest}, {config.method} on {tasks}")
    out.line(f"Loss:   {curve[0]:.4f} to {curve[-1]:.4f} in {len(curve)} steps")
    out.line(f"Prompt: {prompt}")
    out.line()
    words = ["mpt", "evaluate", unit.digest, "--setting", chosen.setting]
    if study is not None:
        words += ["--study", str(study)]
    if gym is not None:
        words += ["--gym", gym]
    judge = shlex.join(words)
    steps_on({judge: "its ARG on the targets", session.see_runs: "the runs in MLflow"})
