"""What every backbone promises, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from equations import bound
from tiny import TINY
from toy_backbone import ToyBackbone

from mpt.backbone.batch import answers_to, collate
from mpt.gym.tokens import TokenRow
from mpt.methods import METHODS

TEXTS = ["the cat sat on a mat", "dog", "red is not blue and very good", "no"]
ANSWERS = ["yes", "a dog ran", "blue", "the hill"]
P, R = 3, 4


PLACED = [f"{kind} {place}" for kind in TINY for place in ("before", "after")]


@pytest.fixture(scope="module", params=["toy", *PLACED])
def backbone(request):
    if request.param == "toy":
        return ToyBackbone()
    kind, place = request.param.split()
    return TINY[kind](place=place)


@pytest.fixture
def rows_of_run(backbone):
    inputs, targets = backbone.encode(TEXTS, 32), backbone.encode(ANSWERS, 8, "target")
    rows = [TokenRow(i, t) for i, t in zip(inputs, targets, strict=True)]
    return [rows[:1], rows[1:3], rows[3:], rows]


@pytest.fixture
def theta(backbone):
    prompts = [backbone.vocabulary_prompt(P, "test", r) for r in range(R)]
    return torch.stack(prompts).to(backbone.dtype)


def test_losses_of_a_pack_are_those_of_each_run_alone(backbone, rows_of_run, theta):
    together = backbone.losses(theta, collate(rows_of_run))
    assert together.shape == (R,)
    for r, rows in enumerate(rows_of_run):
        alone = backbone.losses(theta[r : r + 1], collate([rows]))
        torch.testing.assert_close(together[r : r + 1], alone, rtol=0, atol=1e-9)


def test_curved_losses_are_the_losses(backbone, rows_of_run, theta):
    batch = collate(rows_of_run)
    losses = backbone.losses(theta, batch)
    torch.testing.assert_close(
        backbone.losses_twice_differentiable(theta, batch), losses, rtol=0, atol=1e-9
    )


def test_padding_never_changes_a_run(backbone, rows_of_run, theta):
    """A long neighbour widens the batch; beside it and alone a row has the same loss."""
    row = rows_of_run[1][0]
    long = TokenRow(np.tile(rows_of_run[3][0].input, 3), np.tile(rows_of_run[3][0].target, 3))
    alone = backbone.losses(theta[:1], collate([[row]]))
    beside = backbone.losses(theta[:2], collate([[row], [long]]))
    torch.testing.assert_close(beside[:1], alone, rtol=0, atol=1e-9)


def test_a_run_s_loss_depends_on_its_own_prompt_alone(backbone, rows_of_run, theta):
    theta = theta.clone().requires_grad_()
    losses = backbone.losses(theta, collate(rows_of_run))
    (gradient,) = torch.autograd.grad(losses[1], theta)
    assert gradient[1].abs().max() > 0
    assert gradient[[0, 2, 3]].abs().max() == 0


@pytest.mark.parametrize("name", METHODS)
def test_meta_gradients_of_a_pack_are_those_of_each_run_alone(backbone, rows_of_run, theta, name):
    batch = collate(rows_of_run)
    alpha = theta.new_tensor([0.1, 0.5, 0.01, 0.2])[:, None, None]
    gradient = bound(METHODS[name])
    together = gradient(
        theta, [batch, batch], batch, backbone.losses_twice_differentiable, alpha
    ).direction
    assert together.abs().max() > 0
    for r, rows in enumerate(rows_of_run):
        one, own = slice(r, r + 1), collate([rows])
        alone = gradient(
            theta[one], [own, own], own, backbone.losses_twice_differentiable, alpha[one]
        ).direction
        scale = max(1.0, alone.abs().max().item())
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-9 * scale)


def test_a_thawed_copy_is_the_backbone_without_a_prompt(backbone, rows_of_run, theta):
    copy, batch = backbone.trainable_copy(), collate(rows_of_run)
    nothing = theta[:, :0]
    losses = copy.losses(nothing, batch)
    torch.testing.assert_close(losses, backbone.losses(nothing, batch), rtol=0, atol=1e-9)
    assert copy.generate(nothing, batch, 4) == backbone.generate(nothing, batch, 4)
    assert copy.weights == backbone.weights
    losses.sum().backward()
    assert all(weight.grad is not None for weight in copy.trainable_weights.values())
    assert not backbone.trainable_weights
    with torch.no_grad():
        for weight in copy.trainable_weights.values():
            weight.zero_()
    torch.testing.assert_close(backbone.losses(nothing, batch), losses.detach(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_losses_of_micro_batches_add_up(backbone, rows_of_run, theta, size):
    whole = collate(rows_of_run)
    pieces = whole.pieces(size)
    assert len(pieces) == -(-len(whole) // size)
    together = sum(backbone.losses(theta, piece) for piece in pieces)
    torch.testing.assert_close(together, backbone.losses(theta, whole), rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [P, 0])
def test_log_likelihoods_are_the_losses_of_the_answers_as_targets(
    backbone, rows_of_run, theta, length
):
    theta = theta[:, :length]
    rows = [(run, row) for run, of_run in enumerate(rows_of_run) for row in of_run]
    targets = [*backbone.encode(ANSWERS, 8, "target"), *backbone.encode([""], 8, "target")]
    asked = [(at, target) for at in (6, 0, 1, 5, 3) for target in targets]
    answers = answers_to([at for at, _ in asked], [target for _, target in asked])
    likelihoods = backbone.log_likelihoods(theta, collate(rows_of_run), answers)
    expected = []
    for at, target in asked:
        run, row = rows[at]
        alone = collate([[TokenRow(row.input, target)]])
        expected.append(-len(target) * backbone.losses(theta[run : run + 1], alone)[0])
    torch.testing.assert_close(likelihoods, torch.stack(expected), rtol=0, atol=1e-9)


def test_no_weight_asks_for_a_gradient(backbone):
    if isinstance(backbone, ToyBackbone):
        assert not backbone.table.requires_grad
        assert not backbone.head.requires_grad
    else:
        assert not any(p.requires_grad for p in backbone.model.parameters())
        assert not backbone.model.training


def exact(backbone, theta, batch):
    """Which rows the teacher-forced pass takes for greedy decoding's own answer."""
    return (
        (backbone.teacher_forced_argmax(theta, batch) == batch.target) | (batch.target == -100)
    ).all(-1)


def test_a_row_guessed_whole_is_what_generate_writes(backbone, theta):
    inputs = backbone.encode(TEXTS, 32)
    blank = backbone.encode([""] * len(TEXTS), 8, "target")
    asked = [TokenRow(i, t) for i, t in zip(inputs, blank, strict=True)]
    written = backbone.generate(theta[:1], collate([asked]), 4)
    golds = backbone.encode(written, 8, "target")
    rows = [TokenRow(i, t) for i, t in zip(inputs, golds, strict=True)]
    accepted = exact(backbone, theta[:1], collate([rows])).tolist()
    # a text cut off at the limit did not end there, so the teacher-forced end is not its own
    for text, row, right in zip(written, rows, accepted, strict=True):
        longer = backbone.generate(theta[:1], collate([[row]]), 6)[0]
        assert right <= (longer == text and backbone.decode([row.target])[0] == text)
    wrong = [TokenRow(r.input, backbone.encode(["very very very"], 8, "target")[0]) for r in rows]
    again = backbone.generate(theta[:1], collate([wrong]), 8)
    for text, right in zip(again, exact(backbone, theta[:1], collate([wrong])), strict=True):
        assert bool(right) <= (text == "very very very")


def test_greedy_decoding_follows_the_guesses_step_by_step(backbone, theta):
    """What is generated, read teacher-forced, is guessed token by token, in packs of any shape."""
    inputs = backbone.encode(TEXTS, 32)
    limit = 5
    blank = backbone.encode([""] * len(TEXTS), 8, "target")
    rows = [
        [TokenRow(i, t) for i, t in zip(inputs, blank, strict=True)][r : r + 1] for r in range(R)
    ]
    written = [np.empty(0, np.int64)] * R
    for _ in range(limit):
        grown = [np.append(w, 0) for w in written]
        batch = collate([[TokenRow(rows[r][0].input, grown[r])] for r in range(R)])
        last = backbone.teacher_forced_argmax(theta, batch)[:, -1]
        written = [np.append(w, int(token)) for w, token in zip(written, last, strict=True)]
    end = backbone.encode([""], 8, "target")[0][-1]
    stepwise = [w[: list(w).index(end)] if end in w else w for w in written]
    assert backbone.generate(theta, collate(rows), limit) == backbone.decode(stepwise)


def test_decode_reads_back_what_encode_wrote(backbone):
    assert backbone.decode(backbone.encode(ANSWERS, 16, "target")) == ANSWERS


def test_encode_keeps_the_end_when_it_cuts(backbone):
    (ids,) = backbone.encode(["the cat sat on the mat"], 3, "target")
    assert len(ids) == 3
    assert ids[-1] == 1


def test_vocabulary_prompts_are_rows_of_the_table_and_differ_by_stream(backbone):
    first, second = (backbone.vocabulary_prompt(P, "x", n) for n in (1, 2))
    assert first.shape[0] == P
    assert torch.equal(first, backbone.vocabulary_prompt(P, "x", 1))
    assert not torch.equal(first, second)


def test_a_row_of_the_table_is_nearest_to_its_own_token(backbone):
    prompt = backbone.vocabulary_prompt(P, "nearest").to(backbone.dtype)
    for near in backbone.nearest(-3 * prompt, 2):
        assert all(cosine < 1 for _, cosine in near)
    found = backbone.nearest(7 * prompt, 2)
    assert len(found) == P
    for row, ((token, cosine), (_, second)) in zip(prompt, found, strict=True):
        assert cosine == pytest.approx(1, abs=1e-5)
        assert second < cosine
        (again,) = backbone.words([token])
        torch.testing.assert_close(again[0], row.to(again))
