"""`mpt bench`: speed and memory beside what a user would otherwise write."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

import mpt
from mpt.commands.terminal.console import err, out
from mpt.commands.terminal.options import Device
from mpt.errors import InputError
from mpt.report.tables.grid import Grid, Sheet


def bench(
    what: Annotated[
        Literal["meta", "pack", "eval", "steps"],
        typer.Argument(help="meta: MAML; pack: tuning; eval: scoring; steps: outer steps."),
    ],
    backbone: Annotated[
        str,
        typer.Option(help="mini, t5-256, bart-256, gpt2-256, llama-256, t5-base or t5-large."),
    ] = "t5-256",
    device: Device = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of measurements per ratio.")] = 5,
    steps: Annotated[
        str | None,
        typer.Option(help="meta: inner steps, comma-separated (1,2,5,10); pack: updates (6)."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="meta: rows per batch.")] = 8,
    runs: Annotated[int, typer.Option(min=1, help="pack: runs in a pack.")] = 4,
    targets: Annotated[str, typer.Option(help="eval: answer lengths, comma-separated.")] = "3,16",
    bf16: Annotated[bool, typer.Option("--bf16", help="pack: weights in bfloat16.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare speed and memory with other code.

    mpt and its peers alternate in one process; ratios above 1 favour mpt.

    meta: exact MAML against `higher`, with the model's own loss and on mpt's cheaper forward pass,
    against nested `torch.func.grad` and, where it is installed, against TorchOpt.
    pack: R packed runs against PEFT's prompt tuning, one run after the other, as it is, under
    autocast to bfloat16 and compiled, and against `torch.func.vmap` over the prompts.
    eval: teacher-forced scoring against generating every answer, also with a static cache.
    steps: outer steps of the methods as the paper's authors set them, beside those of their log.

    Example: mpt bench pack --backbone gpt2-256 --runs 4
    """
    from mpt.api.machines.bench import machine_of

    found = mpt.benchmark(
        what,
        backbone,
        device=device,
        pairs=pairs,
        steps=() if steps is None else _numbers(steps, "--steps"),
        rows=rows,
        runs=runs,
        targets=_numbers(targets, "--targets"),
        bf16=bf16,
    )
    measures = []
    for one in found:
        measures.append(one)
        err.line(f"{one.what} vs {one.peer}: {one.ratio:.2f}")
    if json:
        record = {"backbone": backbone, "machine": machine_of(device)}
        out.json({**record, "measures": [asdict(m) for m in measures]})
        return
    lines = []
    for m in measures:
        values = f"{m.ours:.3g} {m.unit}", f"{m.theirs:.3g} {m.unit}", f"{m.ratio:.2f}"
        lines.append((m.what, m.peer, *values, f"{m.low:.2f}-{m.high:.2f}", m.note))
    header = ("what", "peer", "mpt", "peer's", "ratio", "pairs", "note")
    title = f"mpt bench {what} --backbone {backbone}"
    out.sheet(Sheet(Grid(header, tuple(lines), "llrrrrl"), title, (machine_of(device),)))


def _numbers(text: str, option: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise InputError(
            f"{option} is {text!r}",
            fix="give whole numbers from 1, by commas: 1,2,5",
        )
    return found
