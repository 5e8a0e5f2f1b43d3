"""`mpt bench`: speed and memory beside what a user would otherwise write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mpt.commands.console import err, out
from mpt.commands.options import Device
from mpt.report.grid import Grid, Sheet

if TYPE_CHECKING:
    from mpt.bench.timing import Measure


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

    meta: exact MAML against `higher`, with the model's own loss and on mpt's cheaper forward pass.
    pack: R packed runs against PEFT's prompt tuning, one run after the other.
    eval: teacher-forced scoring against generating every answer.
    steps: outer steps of the methods as the paper's authors set them, beside those of their log.

    Example: mpt bench pack --backbone gpt2-256 --runs 4
    """
    import warnings
    from dataclasses import asdict

    from mpt.bench.evaluation import evaluation
    from mpt.bench.meta import meta
    from mpt.bench.outer_steps import outer_steps
    from mpt.bench.pack import pack
    from mpt.engine.device import known_device
    from mpt.engine.malloc import keep_large_blocks

    place = known_device(device) or _usual_device()
    numbers = _numbers(steps or ("1,2,5,10" if what == "meta" else "6"), "--steps")
    lengths = _numbers(targets, "--targets")
    warnings.filterwarnings("ignore")  # the peers'
    keep_large_blocks()  # for the peers too
    found: Iterable[Measure]
    match what:
        case "meta":
            found = meta(backbone, place, steps=numbers, rows=rows, pairs=pairs)
        case "steps":
            found = outer_steps(backbone, place, pairs=pairs)
        case "pack":
            found = pack(backbone, place, runs=runs, steps=numbers[0], pairs=pairs, bf16=bf16)
        case "eval":
            found = evaluation(backbone, place, targets=lengths, pairs=pairs)
    measures = []
    for one in found:
        measures.append(one)
        err.line(f"{one.what} vs {one.peer}: {one.ratio:.2f}")
    if json:
        record = {"backbone": backbone, "machine": _machine(place)}
        out.json({**record, "measures": [asdict(m) for m in measures]})
        return
    lines = []
    for m in measures:
        values = f"{m.ours:.3g} {m.unit}", f"{m.theirs:.3g} {m.unit}", f"{m.ratio:.2f}"
        lines.append((m.what, m.peer, *values, f"{m.low:.2f}-{m.high:.2f}", m.note))
    header = ("what", "peer", "mpt", "peer's", "ratio", "pairs", "note")
    title = f"mpt bench {what} --backbone {backbone}"
    out.sheet(Sheet(Grid(header, tuple(lines), "llrrrrl"), title, (_machine(place),)))


def _numbers(text: str, option: str) -> list[int]:
    from mpt.errors import InputError

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


def _usual_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _machine(place: str) -> str:
    """What it was measured on."""
    import platform
    from importlib.metadata import version

    import torch

    name = torch.cuda.get_device_name(place) if place.startswith("cuda") else platform.machine()
    threads = f"{torch.get_num_threads()} threads"
    return f"{name}, {threads}, torch {torch.__version__}, transformers {version('transformers')}"
