"""Full fine-tuning on a GPU: weights updated together, layers recomputed or not."""

from __future__ import annotations

import pytest
import torch
from ghosts import haunted, on_ghost
from tiers import few_fast
from tiny import TINY
from tiny_jobs import CHOSEN, split

from mpt.backbone.batch import collate
from mpt.backbone.hub import adafactor
from mpt.config import FineTuneConfig, FineTuning
from mpt.engine import batched_adafactor
from mpt.engine import plan as planning
from mpt.engine.batched_adafactor import BatchedAdafactor
from mpt.engine.finetune import FineTuned, fine_tune
from mpt.engine.pack import FineTuneJob
from mpt.gym.tokens import TokenRow
from mpt.seeding import stream

CALM = {"t5": {"spread": 1.0}}
"""Options of tiny models that do not multiply rounding errors."""


def tuning_of(backbone):
    config = FineTuneConfig(
        backbone=CHOSEN,
        weights=backbone.weights,
        task="the",
        data_seed=13,
        data="x",
        lr=1e-3,
        tuning=FineTuning(steps=4, batch=4, num_evals=2),
    )
    return FineTuneJob(config, split(backbone, "the"))


def adafactors(model):
    """The optimiser of one weight after the other, and that of few kernels."""
    return adafactor(model.trainable_weights, 1e-2), BatchedAdafactor(model.trainable_weights, 1e-2)


def give_gradients(weights, step):
    draws = torch.Generator().manual_seed(step)
    for weight in weights.values():
        weight.grad = torch.randn(weight.shape, generator=draws, dtype=torch.float64).to(weight)


@pytest.mark.parametrize("stack", [1, 4096, 2**27])
@pytest.mark.parametrize("kind", TINY)
def test_weights_updated_together_end_as_one_by_one(monkeypatch, kind, stack):
    monkeypatch.setattr(batched_adafactor, "STACK", stack)
    one, other = (TINY[kind]().trainable_copy() for _ in range(2))
    optimisers = adafactors(one)[0], adafactors(other)[1]
    for step in range(5):
        for model, optimiser in zip((one, other), optimisers, strict=True):
            give_gradients(model.trainable_weights, step)
            optimiser.step()
    for name, weight in one.trainable_weights.items():
        together = other.trainable_weights[name]
        torch.testing.assert_close(together, weight, rtol=1e-12, atol=1e-12)


def test_weights_without_a_gradient_stay():
    weights = {"a": torch.nn.Parameter(torch.ones(2, 3)), "b": torch.nn.Parameter(torch.ones(2, 3))}
    weights["a"].grad = torch.ones(2, 3)
    BatchedAdafactor(weights, 0.1).step()
    assert (weights["a"] < 1).all()
    assert (weights["b"] == 1).all()


def test_weights_updated_together_take_few_kernels(ghost_cuda):
    kernels = []
    for which in range(2):
        with ghost_cuda.Ghost() as ghost:
            model = on_ghost(haunted("t5").trainable_copy())
            optimiser = adafactors(model)[which]
            give_gradients(model.trainable_weights, 0)
            optimiser.step()
            ghost.clear()
            optimiser.step()
            kernels.append(ghost.ops)
    shapes = {weight.shape for weight in model.trainable_weights.values()}
    assert kernels[0] > 15 * len(model.trainable_weights)
    assert kernels[1] < 40 * len(shapes)


@pytest.mark.parametrize("kind", few_fast(TINY, "gpt2"))
def test_a_model_is_fine_tuned_on_a_gpu_as_on_a_cpu(ghost_cuda, monkeypatch, kind):
    options = CALM.get(kind, {})
    here = TINY[kind](0, **options)
    expected = fine_tune(tuning_of(here), here)
    assert isinstance(expected, FineTuned)
    with ghost_cuda.Ghost():
        there = haunted(kind, torch.float64, **options)
        frozen_copy = there.trainable_copy

        def copied():
            return on_ghost(frozen_copy())

        monkeypatch.setattr(there, "trainable_copy", copied)
        ends = []
        for room in (80e9, 0.0):
            monkeypatch.setattr(planning, "free_memory", lambda device, room=room: room)
            ends.append(fine_tune(tuning_of(there), there))
    for end, is_kept in zip(ends, (True, False), strict=True):
        assert isinstance(end, FineTuned)
        assert ("no layer computed twice" in end.plan.why) == is_kept
        # the keys' biases of GPT-2 have no gradient but rounding, which Adafactor makes a step of
        assert end.curve == pytest.approx(expected.curve, rel=1e-4 if kind == "gpt2" else 1e-7)
        assert (end.dev, end.test) == (expected.dev, expected.test)


@pytest.mark.parametrize("kind", TINY)
def test_recomputed_layers_have_the_same_bits(kind):
    draws = stream("recomputed")
    lengths = draws.integers(2, 20, 8)
    batch = collate(
        [[TokenRow(draws.integers(4, 20, n), draws.integers(4, 20, 3)) for n in lengths]]
    )
    gradients = []
    for recomputed in (True, False):
        model = TINY[kind](0, torch.float32).trainable_copy()
        model.recomputation.on = recomputed
        model.losses(model.vocabulary_prompt(1)[None, :0], batch).sum().backward()
        gradients.append([weight.grad for weight in model.trainable_weights.values()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
