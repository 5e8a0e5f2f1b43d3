"""A real GPU computes what a CPU computes, waits little, and comes to terms with its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny import TINY
from tiny_jobs import cells, meta

from mpt.backbone.batch import collate
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import make
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.footprint import footprint
from mpt.engine.graphs import CudaGraphs, GraphedLosses
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.memory import BackOff
from mpt.engine.step import pieces_of
from mpt.engine.tune import Tuned, tune
from mpt.methods.inner import slope

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

GPU = "cuda"
METHODS = ("maml", "fomaml", "reptile", "mtl", "metasgd")
CALM = {"t5": {"spread": 1.0}}
"""Options of tiny models that do not multiply rounding errors."""


def there(kind, dtype=torch.float64):
    """A tiny backbone on the GPU."""
    here = TINY[kind](0, dtype, **CALM.get(kind, {}))
    return type(here)(here.model.to(GPU), here.tokenizer, here.weights, here.place)


def learned(backbone, method, folder):
    (end,) = learn([meta(backbone, method)], backbone, checkpoints=Checkpoints(folder))
    assert isinstance(end, MetaTrained)
    return end


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("method", METHODS)
def test_a_meta_training_ends_as_on_a_cpu(tmp_path, kind, method):
    here = TINY[kind](0, **CALM.get(kind, {}))
    expected = learned(here, method, tmp_path / "cpu")
    end = learned(there(kind), method, tmp_path / "gpu")
    assert end.prompt.device.type == "cpu"
    torch.testing.assert_close(end.prompt, expected.prompt, rtol=0, atol=1e-7)
    assert end.curve == pytest.approx(expected.curve, abs=1e-7)


@pytest.mark.parametrize("kind", TINY)
def test_cells_end_as_on_a_cpu(kind):
    here = TINY[kind](0, **CALM.get(kind, {}))
    on_gpu = there(kind)
    for one, other in zip(tune(cells(on_gpu), on_gpu), tune(cells(here), here), strict=True):
        assert isinstance(one, Tuned)
        assert isinstance(other, Tuned)
        torch.testing.assert_close(one.prompt, other.prompt, rtol=0, atol=1e-7)
        assert (one.dev, one.test, one.evals) == (other.dev, other.test, other.evals)


@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.9999), (torch.bfloat16, 0.98)])
@pytest.mark.parametrize("kind", TINY)
def test_a_gradient_is_that_of_a_cpu_in_every_precision(kind, dtype, least):
    here, on_gpu = TINY[kind](0, torch.float32, **CALM.get(kind, {})), there(kind, dtype)
    batch = collate([[example.row() for example in cells(here)[0].split.train]])
    theta = here.vocabulary_prompt(3, "x")[None].float().requires_grad_()
    expected = slope(theta, batch, here.losses).direction
    theta_there = theta.detach().to(GPU).requires_grad_()
    gradient = slope(theta_there, batch.to(on_gpu.device), on_gpu.losses).direction.cpu()
    assert gradient.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), expected.flatten(), 0)
    assert cosine > least


@pytest.mark.parametrize("method", ["fomaml", "reptile", "mtl"])
def test_an_update_does_not_wait(tmp_path, method):
    """Values are read through an event once they have come, which counts as no wait."""
    backbone = there("t5", torch.float32)
    job = meta(backbone, method)
    outer = job.config.outer.model_copy(update={"steps": 8})
    job = replace(job, config=job.config.model_copy(update={"outer": outer}))
    waits = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            learn(
                [job],
                backbone,
                checkpoints=Checkpoints(tmp_path, every=1e9),
                on_step=lambda rows: waits.append(len(caught)),
            )
        finally:
            torch.cuda.set_sync_debug_mode("default")
    each = [after - before for before, after in pairwise(waits[2:-2])]
    assert len(each) >= 3
    assert max(each) <= 1, [str(warning.message) for warning in caught]


@pytest.fixture(scope="module")
def model():
    """A model large enough for a batch to matter."""
    return make("t5-256", GPU)


def test_a_step_that_does_not_fit_is_taken_in_pieces_with_the_same_result(model):
    batch = collate([random_rows(model, 64, 8, run, 0) for run in range(2)])
    theta = prompts(model, 2).requires_grad_()
    refused = []

    def gradient(rows):
        refused.append(rows)
        return slope(theta, pieces_of(batch, rows, model.ours), model.ours.losses)

    expected = gradient(len(batch)).direction
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(GPU).total_memory
    backoff = BackOff(len(batch), 2, model.ours.device)
    try:
        room = torch.cuda.memory_reserved() + 300 * 2**20
        torch.cuda.set_per_process_memory_fraction(room / whole)
        result = backoff.run(gradient)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert backoff.halvings, refused
    scale = float(expected.abs().max())
    torch.testing.assert_close(result.direction, expected, rtol=0, atol=1e-3 * scale)


@pytest.mark.parametrize("twice", [False, True], ids=["a gradient", "one of second order"])
def test_memory_is_what_was_foreseen(model, twice):
    rows = random_rows(model, 48, 8, 0, 0)
    batch = collate([rows]).to(model.ours.device)
    theta = prompts(model, 1).requires_grad_()
    loss = model.ours.losses_twice_differentiable if twice else model.ours.losses
    foreseen = footprint(model.ours, theta, collate([rows]), twice=twice).peak.of(len(rows))
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    gradient = slope(theta, batch, loss, through=twice)
    if twice:
        torch.autograd.grad(gradient.direction.sum(), theta)
    peak = torch.cuda.max_memory_allocated() - before
    assert 0.9 < foreseen / peak < 1.25


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", TINY)
def test_a_replayed_gradient_is_that_of_every_batch(kind, dtype):
    backbone = there(kind, dtype)
    loss = GraphedLosses(backbone.losses, CudaGraphs(backbone.device))
    examples = [example.row() for example in cells(backbone)[0].split.train]
    theta = backbone.vocabulary_prompt(3, "x")[None].float().requires_grad_()
    for n in range(3):
        batch = collate([examples[n:] + examples[:n]]).to(backbone.device)
        replayed, eager = slope(theta, batch, loss), slope(theta, batch, backbone.losses)
        close = 1e-4 if dtype == torch.float32 else 0.05
        scale = float(eager.direction.abs().max())
        torch.testing.assert_close(replayed.losses, eager.losses, rtol=close, atol=close)
        torch.testing.assert_close(replayed.direction, eager.direction, rtol=0, atol=close * scale)
    assert "CUDA graphs, " in loss.note, loss.note


RESUMED = """
import sys, torch
from dataclasses import replace
from pathlib import Path
from mpt.engine.cpu import compute_deterministically
compute_deterministically()
from tiny import TINY
from tiny_jobs import meta
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import learn
here = TINY["t5"](0, torch.float32)
backbone = type(here)(here.model.to("cuda"), here.tokenizer, here.weights, here.place)
job = meta(backbone, sys.argv[2])
folder = Checkpoints(Path(sys.argv[1]), every=0)
if sys.argv[3] == "paused":
    learn([job], backbone, checkpoints=folder, pauses=[1])
(end,) = learn([job], backbone, checkpoints=folder)
print(end.prompt.numpy().tobytes().hex())
"""


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_a_deterministic_run_that_is_resumed_has_the_bits_of_one_that_was_not(tmp_path, method):
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**os.environ, "PYTHONPATH": path}
    bits = {
        subprocess.run(
            [sys.executable, "-c", RESUMED, str(tmp_path / str(n)), method, how],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n, how in enumerate(("whole", "whole", "paused"))
    }
    assert len(bits) == 1
