"""Pretrain the embedded mini backbone, or ask what it knows: ``python -m tools.mini_backbone``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpt.commands.terminal.console import ConsoleProgress, err, out
from mpt.commands.terminal.options import from_home
from mpt.report.words import clock

app = typer.Typer(help="The mini backbone: pretrain it, probe it.", no_args_is_help=True)


@app.command("pretrain")
def pretrain(
    folder: Annotated[
        Path,
        typer.Option("--out", callback=from_home, help="New folder for weights and tokenizer."),
    ],
    seed: Annotated[int, typer.Option(help="Root of the corpus and of the initial weights.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Updates, at most.")] = 12_000,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Wall-clock budget; the rate falls to zero by its end."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Documents per update.")] = 64,
    lr: Annotated[float, typer.Option(min=1e-6, help="Peak learning rate of AdamW.")] = 1e-3,
) -> None:
    """Train a mini backbone on the text of the mini world, on one CPU core.

    Example: python -m tools.mini_backbone pretrain --out my-backbone --minutes 45
    """
    import torch

    from mpt.errors import ConfigError
    from tools.mini_backbone.pretrain import PretrainProgress, Recipe, pretrain

    if (folder / "model.safetensors").exists():
        raise ConfigError(
            f"--out {folder} already holds a model.safetensors",
            fix=("name a new folder, nothing is written over"),
        )
    torch.set_num_threads(1)
    console = ConsoleProgress()

    def report(at: PretrainProgress) -> None:
        left = at.seconds / at.done * (1 - at.done)
        console.say(
            f"step {at.step}: {at.done:.0%}, loss {at.loss:.3f} nats, {clock(at.seconds)} gone, "
            f"about {clock(left)} left"
        )

    recipe = Recipe(seed=seed, steps=steps, minutes=minutes, batch=batch, lr=lr)
    pretrain(folder, recipe, report=report)
    err.line(f"wrote {folder}; use it with --backbone {folder}")


@app.command("probe")
def probe(
    backbone: Annotated[str, typer.Option(help="mini, or a folder that pretrain wrote.")] = "mini",
    items: Annotated[int, typer.Option(min=1, help="Held-out items per skill.")] = 200,
    seed: Annotated[int, typer.Option(help="Which items.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """How often the backbone is right on each skill, cued in natural language, on unseen items.

    Example: python -m tools.mini_backbone probe --json
    """
    from mpt.backbone import hub
    from mpt.errors import ConfigError
    from tools.mini_backbone.probe import probe

    model, tokenizer, weights = hub.load(backbone)
    if not model.config.is_encoder_decoder:
        raise ConfigError(
            f"backbone {backbone!r} is a causal model, and the cues are written for "
            "encoder-decoders",
            fix=("give mini, or a folder that `python -m tools.mini_backbone pretrain` wrote"),
        )
    found = probe(model.eval(), tokenizer, items=items, seed=seed)
    mean = sum(one.accuracy for one in found) / len(found)
    if as_json:
        skills = {one.skill: one.accuracy for one in found}
        told = {"backbone": backbone, "weights": weights, "items": items, "skills": skills}
        out.json({**told, "mean": mean})
        return
    for one in found:
        out.line(f"{one.skill:<16}{one.accuracy:6.1%}")
    out.line(f"{'mean':<16}{mean:6.1%}")


if __name__ == "__main__":
    app(prog_name="python -m tools.mini_backbone")
