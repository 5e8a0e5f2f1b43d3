"""`mpt bench pack`: prompt tuning of several runs in a pack against PEFT, one run at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from mpt.backbone.batch import Batch, collate
from mpt.bench.peft_peer import feed, plain_loop, prompted, trainer_seconds
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import BenchModel, make
from mpt.bench.timing import Measure, compare, seconds
from mpt.engine import train
from mpt.engine.optim import OPTIMISERS
from mpt.engine.train import TrainState
from mpt.gym.tokens import TokenRow
from mpt.methods.inner import MetaGradient, slope

ROWS, TARGET, RATE = 8, 8, 0.01


def pack(
    name: str, device: str, *, runs: int, steps: int, pairs: int, bf16: bool = False
) -> Iterator[Measure]:
    """Time the same steps on the same rows: packed, one run at a time, and by PEFT.

    PEFT is timed with a plain loop and with the Trainer of transformers.
    """
    model = make(name, device, bf16=bf16)
    rows = [
        [random_rows(model, ROWS, TARGET, run, step) for run in range(runs)]
        for step in range(steps)
    ]
    peft = prompted(model).to(device)
    fed = [
        [feed(model, collate([rows[step][run]]).to(model.ours.device)) for step in range(steps)]
        for run in range(runs)
    ]
    with tempfile.TemporaryDirectory() as folder:

        def by_trainer() -> float:
            cpu = model.ours.device.type == "cpu"
            return sum(trainer_seconds(peft, batches, RATE, folder, cpu=cpu) for batches in fed)

        def by_loop() -> None:
            for batches in fed:
                plain_loop(peft, batches, RATE)

        def packed() -> None:
            tune(model, rows, list(range(runs)))

        def alone() -> None:
            for run in range(runs):
                tune(model, rows, [run])

        place = model.ours.device
        for work in (packed, alone, by_loop, by_trainer):
            work()
        timings = [
            (seconds(packed, place), seconds(alone, place), seconds(by_loop, place), by_trainer())
            for _ in range(pairs)
        ]
    ours = [timing[0] for timing in timings]
    examples = runs * steps * ROWS
    what = f"{runs} runs x {steps} steps x {ROWS} rows"
    peers = ("mpt, one run at a time", "PEFT, plain loop", "PEFT, HF Trainer")
    for n, peer in enumerate(peers, start=1):
        measure = compare(what, peer, ours, [timing[n] for timing in timings], "s")
        yield replace(measure, note=f"{examples / measure.ours:.0f} rows/s")
    if place.type == "cuda":
        yield _utilisation(model, rows, sorted(ours)[len(ours) // 2])


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
