"""Gradients that are replayed: what is copied in and out, and when nothing is captured."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ghosts import haunted
from tiers import few_fast
from tiny import TINY
from tiny_jobs import cells, meta

from mpt.backbone.batch import collate
from mpt.engine import graphs, step
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.graphs import GraphedLosses, widened
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.tune import Tuned, tune
from mpt.gym.tokens import TokenRow
from mpt.methods.inner import slope
from mpt.seeding import stream

CALM = {"t5": {"spread": 1.0}}
"""Options of tiny models that do not multiply rounding errors."""


class FakeGraphs:
    """Captures by remembering the work: a replay fills the same tensors again."""

    def __init__(self, gain=3.0, error=None, wrong=0.0):
        self.gain, self.error, self.wrong, self.replays = gain, error, wrong, 0

    def capture(self, work):
        if self.error is not None:
            raise self.error
        given = tuple(tensor.clone() for tensor in work())

        def replay():
            self.replays += 1
            for tensor, value in zip(given, work(), strict=True):
                tensor.copy_(value + self.wrong)

        self.replay = replay
        return replay, given

    def seconds(self, work):
        return 1.0 if work is self.replay else self.gain


def batch_of(runs, *seed):
    draws = stream("graphs", *seed)
    return collate(
        [
            [
                TokenRow(draws.integers(4, 20, draws.integers(1, 20)), draws.integers(4, 20, 3))
                for _ in range(3)
            ]
            for _ in range(runs)
        ]
    )


@pytest.mark.parametrize("kind", TINY)
def test_a_replayed_gradient_is_that_of_the_batch(kind):
    backbone, fake = TINY[kind](), FakeGraphs()
    loss = GraphedLosses(backbone.losses, fake)
    for n in range(4):
        theta = torch.stack([backbone.vocabulary_prompt(3, n, run) for run in range(2)])
        batch, theta = batch_of(2, n), theta.requires_grad_()
        got, wanted = slope(theta, batch, loss), slope(theta, batch, backbone.losses)
        close = 1e-5 if kind == "gemma" else 1e-9  # whose norms compute in float32
        torch.testing.assert_close(got.losses, wanted.losses, rtol=close, atol=close)
        torch.testing.assert_close(got.direction, wanted.direction, rtol=close, atol=close)
    assert fake.replays == 1 + 4, "one shape: seen once to be right, then every time"
    assert loss.note == "CUDA graphs, 3.0x as fast"


def test_what_was_given_before_stays_as_it_was():
    backbone = TINY["t5"](spread=1.0)
    loss = GraphedLosses(backbone.losses, FakeGraphs())
    theta = backbone.vocabulary_prompt(3, "x")[None].requires_grad_()
    first = slope(theta, batch_of(1, 0), loss)
    kept = first.direction.clone(), first.losses.clone()
    slope(theta + 1, batch_of(1, 1), loss)
    assert torch.equal(first.direction, kept[0])
    assert torch.equal(first.losses, kept[1])


def test_widths_are_few():
    widths = {widened(batch_of(2, n)).input.shape[1] for n in range(20)}
    assert widths == {graphs.INPUTS}
    batch = batch_of(1, 0)
    wide = widened(batch)
    assert int(wide.input_mask.sum()) == int(batch.input_mask.sum())
    assert int((wide.target != -100).sum()) == int((batch.target != -100).sum())


@pytest.mark.parametrize(
    ("fake", "note"),
    [
        (
            FakeGraphs(error=RuntimeError("operation not permitted\nwhen capturing")),
            "not permitted",
        ),
        (FakeGraphs(wrong=1.0), "a replay was not what it was to repeat"),
        (FakeGraphs(wrong=float("nan")), "a replay was not what it was to repeat"),
        (FakeGraphs(gain=0.9), "0.90x as fast"),
    ],
    ids=["refused", "wrong", "no number", "slow"],
)
def test_where_nothing_can_be_captured_all_is_as_ever(fake, note):
    backbone = TINY["t5"](spread=1.0)
    loss = GraphedLosses(backbone.losses, fake)
    theta, batch = backbone.vocabulary_prompt(3, "x")[None].requires_grad_(), batch_of(1, 0)
    for _ in range(2):
        got, wanted = slope(theta, batch, loss), slope(theta, batch, backbone.losses)
        assert torch.equal(got.direction, wanted.direction)
    assert loss.note.startswith("no CUDA graphs: ")
    assert note in loss.note
    assert "\n" not in loss.note
    assert loss.is_off


def test_shapes_beyond_the_most_are_not_captured(monkeypatch):
    monkeypatch.setattr(graphs, "MOST", 1)
    backbone, fake = TINY["t5"](spread=1.0), FakeGraphs()
    loss = GraphedLosses(backbone.losses, fake)
    for runs in (1, 2, 1):
        theta = torch.stack([backbone.vocabulary_prompt(3, r) for r in range(runs)])
        slope(theta.requires_grad_(), batch_of(runs, 0), loss)
    assert fake.replays == 1 + 2
    assert not loss.is_off


@pytest.mark.parametrize("method", few_fast(["fomaml", "reptile", "mtl", "maml"], "reptile"))
def test_a_meta_training_by_graphs_ends_as_without(ghost_cuda, monkeypatch, tmp_path, method):
    here = TINY["t5"](0, spread=1.0)
    (wanted,) = learn([meta(here, method)], here, checkpoints=Checkpoints(tmp_path / "cpu"))
    made = []

    def graphed(backbone):
        made.append(GraphedLosses(backbone.losses, FakeGraphs()))
        return made[-1]

    monkeypatch.setattr(step, "graphed", graphed)
    with ghost_cuda.Ghost():
        there = haunted("t5", torch.float64, spread=1.0)
        (got,) = learn([meta(there, method)], there, checkpoints=Checkpoints(tmp_path / "gpu"))
    assert isinstance(got, MetaTrained)
    assert isinstance(wanted, MetaTrained)
    torch.testing.assert_close(got.prompt, wanted.prompt, rtol=0, atol=1e-9)
    assert len(made) == (method != "maml"), "a graph has no second derivative"
    assert ("CUDA graphs" in got.plan.why) == (method != "maml")


def test_cells_by_graphs_end_as_without_and_give_their_memory_back(monkeypatch):
    backbone = TINY["t5"](spread=1.0)
    wanted, made = tune(cells(backbone), backbone), []

    def graphed(backbone):
        made.append(GraphedLosses(backbone.losses, FakeGraphs()))
        return made[-1]

    monkeypatch.setattr(step, "graphed", graphed)
    for one, other in zip(tune(cells(backbone), backbone), wanted, strict=True):
        assert isinstance(one, Tuned)
        assert isinstance(other, Tuned)
        torch.testing.assert_close(one.prompt, other.prompt, rtol=0, atol=1e-9)
        assert one.plan.why.count("CUDA graphs, 3.0x as fast") == 1
    assert step._replayed(made[0], replace(step.BackOff(1, 1, backbone.device), halvings=1)).is_off
    assert not made[0]._captured


def test_graphs_are_for_gpus_where_they_are_asked_for(ghost_cuda, monkeypatch):
    monkeypatch.setenv(graphs.VARIABLE, "1")
    monkeypatch.setattr(graphs, "CudaGraphs", lambda device: FakeGraphs())
    assert graphs.graphed(TINY["t5"]()) is None
    with ghost_cuda.Ghost():
        there = haunted("t5")
        assert graphs.graphed(there) is not None
        monkeypatch.delenv(graphs.VARIABLE)
        assert graphs.graphed(there) is None
