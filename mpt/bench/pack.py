"""`mpt bench pack`: prompt tuning of several runs in a pack against PEFT and torch.func."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mpt.backbone.batch import Batch, collate
from mpt.bench.func_peer import vmapped_loop
from mpt.bench.peft_peer import feed, plain_loop, prompted, trainer_seconds
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import BenchModel, make
from mpt.bench.timing import Measure, compare, seconds
from mpt.engine import train
from mpt.engine.memory import cause_of
from mpt.engine.optim import OPTIMISERS
from mpt.engine.train import TrainState
from mpt.gym.tokens import TokenRow
from mpt.methods.inner import MetaGradient, slope

ROWS, TARGET, RATE = 8, 8, 0.01
COMPILED = "PEFT, torch.compile, bf16 autocast"

Clocked = Callable[[], float]
"""Does some work, and returns the seconds that it took."""


def pack(
    name: str, device: str, *, runs: int, steps: int, pairs: int, bf16: bool = False
) -> Iterator[Measure]:
    """Time the same steps on the same rows: packed, one run at a time, by PEFT and by torch.func.

    PEFT is timed with a plain loop, as it is, in bfloat16 and compiled, and with the Trainer of
    transformers.
    """
    model = make(name, device, bf16=bf16)
    place = model.ours.device
    rows = [
        [random_rows(model, ROWS, TARGET, run, step) for run in range(runs)]
        for step in range(steps)
    ]
    with tempfile.TemporaryDirectory() as folder:

        def packed() -> float:
            return seconds(lambda: tune(model, rows, list(range(runs))), place)

        works: dict[str, Clocked] = {"": packed, **_peers(model, rows, folder)}
        left_out = ""
        for peer, work in list(works.items()):
            try:
                work()
            except Exception as error:
                if peer != COMPILED:
                    raise
                # there may be no compiler here, which is the peer's own affair
                left_out = f"; without {peer}: {cause_of(error)}"
                del works[peer]
        rounds = [{peer: work() for peer, work in works.items()} for _ in range(pairs)]
    ours = [times[""] for times in rounds]
    examples = runs * steps * ROWS
    what = f"{runs} runs x {steps} steps x {ROWS} rows"
    for peer in [*works][1:]:
        measure = compare(what, peer, ours, [times[peer] for times in rounds], "s")
        yield replace(measure, note=f"{examples / measure.ours:.0f} rows/s{left_out}")
    if place.type == "cuda":
        yield _utilisation(model, rows, sorted(ours)[len(ours) // 2])


def _peers(model: BenchModel, rows: list[list[list[TokenRow]]], folder: str) -> dict[str, Clocked]:
    """What the pack is compared with: each trains all runs, and returns its seconds."""
    place, runs = model.ours.device, range(len(rows[0]))
    batches = [[collate([step[run]]).to(place) for run in runs] for step in rows]
    fed = [[feed(model, step[run]) for step in batches] for run in runs]
    peft = prompted(model).to(place)
    compiled: Callable[..., Any] = torch.compile(peft)

    def by_loop(*, bf16: bool = False, forward: Callable[..., Any] | None = None) -> float:
        def work() -> None:
            for batches in fed:
                plain_loop(peft, batches, RATE, forward, bf16=bf16)

        return seconds(work, place)

    def alone() -> None:
        for run in runs:
            tune(model, rows, [run])

    def by_trainer() -> float:
        cpu = place.type == "cpu"
        return sum(trainer_seconds(peft, batches, RATE, folder, cpu=cpu) for batches in fed)

    return {
        "mpt, one run at a time": partial(seconds, alone, place),
        "PEFT, plain loop": by_loop,
        "PEFT, plain loop, bf16 autocast": partial(by_loop, bf16=True),
        COMPILED: partial(by_loop, bf16=True, forward=compiled),
        "PEFT, HF Trainer": by_trainer,
        "torch.func, vmap of grad": lambda: seconds(
            lambda: vmapped_loop(model, batches, RATE), place
        ),
    }


def tune(model: BenchModel, rows: list[list[list[TokenRow]]], runs: list[int]) -> None:
    """Train some runs together with the engine's training loop."""
    backbone = model.ours
    batches = [collate([step[run] for run in runs]).to(backbone.device) for step in rows]
    starts = prompts(model, len(runs))
    prompted_runs = [
        train.Run(str(run), start, RATE, len(rows)) for run, start in zip(runs, starts, strict=True)
    ]
    optimiser = OPTIMISERS["adamw"]

    def gradient(state: TrainState) -> MetaGradient:
        batch: Batch = batches[state.position[0]]
        return slope(state.theta.detach().requires_grad_(), batch, backbone.losses)

    state = train.start(prompted_runs, optimiser)
    train.train(
        prompted_runs, state, gradient, optimiser=optimiser, watch=lambda state, losses: None
    )


def _utilisation(model: BenchModel, rows: list[list[list[TokenRow]]], spent: float) -> Measure:
    """Compare the FLOP/s of the packed steps with those of a large matrix product.

    PyTorch counts what the kernels multiply, padding included.
    """
    with FlopCounterMode(display=False) as counter:
        tune(model, rows, list(range(len(rows[0]))))
    reached = counter.get_total_flops() / spent / 1e12
    side, repeats = 8192, 20
    left = torch.randn(side, side, device=model.ours.device, dtype=torch.bfloat16)

    def product() -> None:
        for _ in range(repeats):
            torch.mm(left, left)

    product()
    peak = 2 * side**3 * repeats / seconds(product, model.ours.device) / 1e12
    what = "model FLOP utilisation of the packed step"
    share = reached / peak
    return Measure(what, "matrix product, bf16", reached, peak, "TFLOP/s", share, share, share)
