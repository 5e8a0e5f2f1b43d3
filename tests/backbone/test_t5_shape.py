"""Operations and bytes that are counted by formula are those that torch counts."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mpt.backbone import hub
from mpt.backbone.batch import collate
from mpt.backbone.kinds import kind_of
from mpt.backbone.t5_shape import (
    FORWARD,
    GRADIENT,
    GRADIENT_OF_WEIGHTS,
    GRADIENT_TWICE,
    T5_SHAPES,
    T5Shape,
    t5_shape,
)
from mpt.engine.footprint import footprint
from mpt.errors import UnknownName
from mpt.gym.tokens import TokenRow

SMALL = T5Shape("small", 32, 2, 48, 3, head=16, vocabulary=96)


def model(shape, device="cpu"):
    with torch.device(device):
        return hub.new_t5(
            d_model=shape.width,
            d_ff=shape.hidden,
            num_layers=shape.layers,
            num_heads=shape.heads,
            d_kv=shape.head,
            vocab_size=shape.vocabulary,
        )


def counted(t5, inputs, outputs, kind):
    """Operations of a row, by torch's counter, with attention in plain products."""
    device, width = t5.device, t5.config.d_model
    t5.requires_grad_(kind is GRADIENT_OF_WEIGHTS)
    prompt = torch.zeros(1, inputs, width, device=device)
    prompt.requires_grad_(kind in (GRADIENT, GRADIENT_TWICE))
    embeds = prompt * 1  # the counter takes no leaves
    ids = torch.zeros(1, outputs, dtype=torch.long, device=device)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        logits = t5(inputs_embeds=embeds, decoder_input_ids=ids, use_cache=False).logits
        loss = logits.logsumexp(-1).sum()
        if kind is GRADIENT:
            torch.autograd.grad(loss, prompt)
        if kind is GRADIENT_TWICE:
            (gradient,) = torch.autograd.grad(loss, prompt, create_graph=True)
            torch.autograd.grad(gradient.sum(), prompt)
        if kind is GRADIENT_OF_WEIGHTS:
            torch.autograd.grad(loss, [*t5.parameters()], allow_unused=True)
    return counter.get_total_flops()


@pytest.mark.parametrize(("inputs", "outputs"), [(30, 4), (200, 12)], ids=["short", "long"])
@pytest.mark.parametrize(
    "kind",
    [FORWARD, GRADIENT, GRADIENT_TWICE, GRADIENT_OF_WEIGHTS],
    ids=["forward", "gradient", "gradient twice", "gradient of weights"],
)
def test_operations_are_those_that_torch_counts(kind, inputs, outputs):
    expected = counted(model(SMALL), inputs, outputs, kind)
    assert SMALL.flops(inputs, outputs, kind) == pytest.approx(expected, rel=TOLERANCE[kind])


TOLERANCE = {FORWARD: 0.001, GRADIENT: 0.03, GRADIENT_TWICE: 0.1, GRADIENT_OF_WEIGHTS: 0.03}
"""Backward passes need not reach the first layer of the decoder, and the last one of a gradient of
weights not the input."""


def test_a_frozen_t5_large_takes_half_of_what_its_weights_suggest():
    """4 operations per weight and token are often assumed; the decoder reads few tokens."""
    large = t5_shape("t5-large")
    assert large.parameters == pytest.approx(783e6, rel=0.001)
    per_token = large.flops(228, 6, GRADIENT) / 228
    assert per_token == pytest.approx(
        counted(model(large, "meta"), 228, 6, GRADIENT) / 228, rel=0.03
    )
    assert per_token < 0.55 * 4 * large.parameters


@pytest.mark.parametrize("length", [20, 90])
def test_bytes_of_a_row_are_those_that_a_probe_finds(length):
    shape = T5Shape("small", 64, 4, 160, 4, head=16, vocabulary=96)
    tokenizer = hub.wrap_tokenizer(_words(96), pad_token="<pad>", eos_token="</s>")
    t5 = model(shape).eval().requires_grad_(False)
    backbone = kind_of(t5.config).freeze(t5, tokenizer, "weights")
    ids = torch.arange(2, 2 + length).remainder(90).add(3).numpy()
    row = TokenRow(ids, ids[:4])
    theta = torch.zeros(1, 10, shape.width)
    probed = footprint(backbone, theta, collate([[row] * 4]), twice=False).peak
    assert shape.row_bytes(10 + length, 4, 4) == pytest.approx(probed.row, rel=0.12)


def _words(count):
    from tokenizers import Tokenizer, models

    words = ["<pad>", "</s>", "<unk>", *(f"w{i}" for i in range(count - 3))]
    level = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    return Tokenizer(level)


def test_a_shape_that_nobody_knows_is_told_with_those_that_are():
    assert set(T5_SHAPES) == {"t5-small", "t5-base", "t5-large", "t5-xl", "t5-xxl"}
    with pytest.raises(UnknownName, match="did you mean 't5-large'"):
        t5_shape("t5-larg")
