"""Attention that skips work is the attention of transformers, gradients of both orders included."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from tiny import SIZE, TINY, word_tokenizer

from mpt.backbone import hub, lean_attention
from mpt.backbone.batch import collate
from mpt.backbone.seq2seq import FrozenSeq2Seq
from mpt.gym.tokens import TokenRow

P = 3


def tiny_mt5() -> FrozenSeq2Seq:
    torch.manual_seed(0)
    dims = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    model = hub.new_model("mt5", vocab_size=SIZE, initializer_factor=3.0, **dims, **ids)
    return FrozenSeq2Seq(model.double(), word_tokenizer(), "tiny-mt5")


KINDS = {"t5": TINY["t5"], "bart": TINY["bart"], "mt5": tiny_mt5}


@pytest.fixture(params=KINDS)
def lean(request):
    return KINDS[request.param]()


@pytest.fixture
def plain(lean):
    """The same weights with every method as transformers wrote it."""
    copy = deepcopy(lean.model)
    bound = [module for module in copy.modules() if "forward" in vars(module)]
    assert bound
    for module in bound:
        del module.forward
    frozen = FrozenSeq2Seq.__new__(FrozenSeq2Seq)
    vars(frozen).update({**vars(lean), "model": copy, "embed": copy.get_input_embeddings()})
    return frozen


def pack(lean, answer: int):
    """Two runs, three rows of unlike lengths, answers of at most so many tokens."""
    texts = ["the cat sat on a mat", "dog", "red is not blue"]
    inputs = lean.encode(texts, 32)
    words = [5 + torch.arange(length) for length in (answer, max(1, answer - 1), answer)]
    rows = [TokenRow(ids, target.numpy()) for ids, target in zip(inputs, words, strict=True)]
    return collate([rows[:1], rows[1:]])


def theta(lean):
    rows = [lean.vocabulary_prompt(P, "test", r).to(lean.dtype) for r in range(2)]
    return torch.stack(rows).requires_grad_()


@pytest.fixture
def crossed(monkeypatch):
    """How often the cheap cross-attention was computed."""
    seen = []
    real = lean_attention.cross

    def counted(*given):
        seen.append(given[0].shape[1])
        return real(*given)

    monkeypatch.setattr(lean_attention, "cross", counted)
    return seen


@pytest.mark.parametrize(("answer", "is_cheap"), [(1, True), (2, True), (3, False), (8, False)])
def test_losses_and_their_gradients_are_those_of_the_plain_model(
    lean, plain, crossed, answer, is_cheap
):
    batch, given = pack(lean, answer), theta(lean)
    losses = lean.losses(given, batch)
    assert len(crossed) == (2 if is_cheap else 0)  # a head is 8 wide, an answer of 2 a fourth
    wanted = plain.losses(given, batch)
    torch.testing.assert_close(losses, wanted, rtol=0, atol=1e-12)
    (mine,) = torch.autograd.grad(losses.sum(), given)
    (theirs,) = torch.autograd.grad(wanted.sum(), given)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-11)


def test_the_gradient_s_gradient_is_that_of_the_plain_model(lean, plain, crossed):
    batch, given = pack(lean, 2), theta(lean)

    def curvature(model):
        (first,) = torch.autograd.grad(
            model.losses_twice_differentiable(given, batch).sum(), given, create_graph=True
        )
        (second,) = torch.autograd.grad(first.square().sum(), given)
        return second

    torch.testing.assert_close(curvature(lean), curvature(plain), rtol=1e-9, atol=1e-12)
    assert len(crossed) == 2


def test_generation_keeps_its_keys_and_writes_the_same(lean, plain, crossed):
    batch = pack(lean, 2)
    assert lean.generate(theta(lean), batch, 6) == plain.generate(theta(lean), batch, 6)
    assert crossed == []


def test_a_copy_for_fine_tuning_computes_with_its_own_weights(lean, crossed):
    batch, given = pack(lean, 2), torch.zeros(2, 0, 16, dtype=torch.float64)
    copy, before = lean.trainable_copy(), lean.losses(given, batch)
    torch.testing.assert_close(copy.losses(given, batch), before, rtol=0, atol=1e-12)
    copy.losses(given, batch).sum().backward()
    unmoved = [name for name, weight in copy.trainable_weights.items() if weight.grad is None]
    assert unmoved == []
    with torch.no_grad():
        for weight in copy.trainable_weights.values():
            weight.mul_(1.1)
    assert crossed
    assert not torch.allclose(copy.losses(given, batch), before)
    torch.testing.assert_close(lean.losses(given, batch), before, rtol=0, atol=0)
