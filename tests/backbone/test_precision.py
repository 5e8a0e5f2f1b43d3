"""What is narrow is the model alone, and a configuration says how narrow it was."""

from __future__ import annotations

import logging

import pytest
import torch
from ghosts import haunted
from tiers import few_fast
from tiny import TINY
from tiny_jobs import meta

from mpt import config as config_module
from mpt import precision
from mpt.backbone import causal, seq2seq
from mpt.backbone.attention import differentiable_twice
from mpt.backbone.batch import collate, spread
from mpt.backbone.load import choose_products
from mpt.config import BackboneConfig
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import MetaTrained, learn
from mpt.gym.tokens import TokenRow
from mpt.study.study import Study


@pytest.mark.parametrize("fastest", ["bf16", "fp32"])
def test_auto_is_stored_as_what_it_was_read_as(monkeypatch, fastest):
    monkeypatch.setattr(config_module, "fastest_precision", lambda: fastest)
    config = BackboneConfig.model_validate({"precision": "auto"})
    assert config.precision == fastest
    assert config.digest == BackboneConfig(precision=fastest).digest
    assert config.stored()["precision"] == fastest


def test_float32_is_what_is_computed_in_where_nothing_is_given():
    """On any machine, so that numbers that were published come out again."""
    assert BackboneConfig().precision == "fp32"
    assert Study().backbone.precision == "fp32"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets what the machine has, and counts its probes."""
    probes = []

    def has(*, gpu=False, instructions=True, gain=2.0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        capabilities = {"avx512_bf16": instructions, "amx_bf16": False}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
        monkeypatch.setattr(precision, "_bf16_gain", lambda: probes.append(gain) or gain)
        precision.fastest_precision.cache_clear()
        return probes

    monkeypatch.setattr(precision, "user_cache_path", lambda name: tmp_path / name)
    yield has
    precision.fastest_precision.cache_clear()


@pytest.mark.parametrize(
    ("machine_has", "fastest"),
    [
        ({"gpu": True}, "bf16"),
        ({"instructions": False}, "fp32"),
        ({"gain": 2.0}, "bf16"),
        ({"gain": 1.1}, "fp32"),
    ],
    ids=["a GPU", "a CPU without bf16", "a CPU faster in bf16", "a CPU hardly faster in it"],
)
def test_auto_is_what_a_machine_is_fastest_in(machine, machine_has, fastest):
    machine(**machine_has)
    assert precision.fastest_precision() == fastest


def test_every_process_of_a_machine_reads_auto_alike(machine):
    probes = machine(gain=2.0)
    assert precision.fastest_precision() == "bf16"
    probes = machine(gain=0.5)  # another process, while the machine is busy
    assert precision.fastest_precision() == "bf16"
    assert probes == [2.0]


def test_the_probe_times_both_formats():
    assert precision._bf16_gain() > 0


def test_a_precision_that_nobody_has_is_refused():
    with pytest.raises(ValueError, match="'fp32', 'tf32' or 'bf16'"):
        BackboneConfig.model_validate({"precision": "fp16"})


@pytest.mark.parametrize(
    ("chosen", "products", "warns"),
    [("fp32", "highest", True), ("tf32", "high", False), ("bf16", "highest", False)],
)
def test_exact_products_on_a_gpu_are_warned_of(caplog, chosen, products, warns):
    usual = torch.get_float32_matmul_precision()
    try:
        with caplog.at_level(logging.WARNING, "mpt"):
            choose_products(chosen)
        assert torch.get_float32_matmul_precision() == products
    finally:
        torch.set_float32_matmul_precision(usual)
    assert ("precision fp32" in caplog.text) == warns


def test_attention_of_the_second_order_stays_narrow_on_a_gpu_alone():
    allowed = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed
    for device in ("cpu", "cuda"):
        with differentiable_twice(torch.device(device)):
            assert allowed() == (device == "cuda")
        assert not allowed()


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama"])
def test_gradients_of_rows_add_up_in_float32(monkeypatch, kind, place):
    """A prompt is given to its rows before it is made narrow, so that theirs come back wide."""
    backbone = TINY[kind](0, torch.bfloat16, place=place)
    (question,), (target,) = backbone.encode(["the cat"], 8), backbone.encode(["no"], 4, "target")
    prompts = torch.stack([backbone.vocabulary_prompt(3, seed) for seed in "ab"]).float()
    theta, types = prompts.requires_grad_(), []

    def noted(values, place_of_row):
        if values.shape == theta.shape:
            types.append(values.dtype)
        return spread(values, place_of_row)

    for module in (seq2seq, causal):
        monkeypatch.setattr(module, "spread", noted)
    losses = backbone.losses(theta, collate([[TokenRow(question, target)] * 4] * 2))
    (gradient,) = torch.autograd.grad(losses.sum(), theta)
    assert types == [torch.float32]
    assert (losses.dtype, gradient.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize("kind", few_fast(["t5", "llama"], "t5"))
@pytest.mark.parametrize("method", few_fast(["maml", "fomaml", "reptile", "mtl"], "maml"))
def test_a_narrow_meta_training_on_a_gpu_is_that_of_a_cpu(ghost_cuda, tmp_path, kind, method):
    def trained(backbone, folder):
        job = meta(backbone, method, 0.01)
        outer = job.config.outer.model_copy(update={"steps": 1})
        config = job.config.model_copy(update={"outer": outer})
        job = type(job)(config, job.units, job.start.float())
        (end,) = learn([job], backbone, checkpoints=Checkpoints(folder))
        assert isinstance(end, MetaTrained)
        assert end.prompt.dtype == torch.float32
        return end.prompt - job.start.cpu()

    calm = {"spread": 1.0} if kind == "t5" else {}
    expected = trained(TINY[kind](0, torch.bfloat16, **calm), tmp_path / "cpu")
    with ghost_cuda.Ghost():
        there = trained(haunted(kind, torch.bfloat16, **calm), tmp_path / "gpu")
    cosine = torch.nn.functional.cosine_similarity(there.flatten(), expected.flatten(), 0)
    assert cosine > 0.99
