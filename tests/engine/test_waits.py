"""How often training waits for a GPU, and that what it finds there is what a CPU finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ghosts import GHOST, haunted, sent
from tiers import few_fast
from tiny import TINY
from tiny_jobs import cells, meta

from mpt.backbone.batch import collate
from mpt.backbone.transfer import Reading
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.tune import Tuned, tune
from mpt.errors import Diverged
from mpt.gym.tokens import TokenRow

STEPS = 6
BATCHES = {"maml": 3, "fomaml": 3, "reptile": 2, "mtl": 1, "metasgd": 3}
"""Of an update, by method: two inner ones and the query."""
CALM = {"t5": {"spread": 1.0}}
"""Options of tiny models that do not multiply rounding errors."""


def longer(job, steps=STEPS):
    outer = job.config.outer.model_copy(update={"steps": steps})
    return replace(job, config=job.config.model_copy(update={"outer": outer}))


class Log:
    """Counts what every update but the first and the last two costs."""

    def __init__(self, ghost):
        self.ghost, self.counts = ghost, []

    def __call__(self, rows):
        copies = [*self.ghost.h2d.elements(), *self.ghost.index_h2d.elements()]
        # an empty tensor is made without a copy
        copies = [one for one in copies if "transformers/cache_utils" not in one]
        self.counts.append((sum(self.ghost.syncs.values()), len(copies)))

    @property
    def updates(self):
        pairs = list(zip(self.counts, self.counts[1:], strict=False))
        return [(b[0] - a[0], b[1] - a[1]) for a, b in pairs[2:-2]]


@pytest.mark.parametrize("kind", few_fast(TINY, "t5"))
@pytest.mark.parametrize("method", few_fast(BATCHES, "reptile"))
def test_an_update_waits_once_and_sends_every_batch_in_one_copy(ghost_cuda, tmp_path, kind, method):
    with ghost_cuda.Ghost() as ghost:
        backbone, log = haunted(kind), Log(ghost)
        job = longer(meta(backbone, method), 8)
        learn([job], backbone, checkpoints=Checkpoints(tmp_path, every=1e9), on_step=log)
        assert len(log.updates) >= 3
        assert set(log.updates) == {(1, BATCHES[method])}, (ghost.syncs, ghost.h2d)


@pytest.mark.parametrize("kind", TINY)
def test_an_update_of_cells_waits_once(ghost_cuda, kind):
    with ghost_cuda.Ghost() as ghost:
        backbone, log = haunted(kind), Log(ghost)
        jobs = cells(backbone)
        tuning = jobs[0].config.tuning.model_copy(update={"steps": 8, "num_evals": 1})
        jobs = [
            replace(job, config=job.config.model_copy(update={"tuning": tuning})) for job in jobs
        ]
        tune(jobs, backbone, on_step=log)
        assert len(log.updates) >= 3
        assert set(log.updates) == {(1, 1)}, (ghost.syncs, ghost.h2d)


@pytest.mark.parametrize("kind", few_fast(TINY, "t5"))
@pytest.mark.parametrize("method", few_fast(BATCHES, "reptile"))
def test_a_meta_training_on_a_gpu_ends_as_on_a_cpu(ghost_cuda, tmp_path, kind, method):
    options = CALM.get(kind, {})
    here = TINY[kind](0, **options)
    (expected,) = learn([meta(here, method)], here, checkpoints=Checkpoints(tmp_path / "cpu"))
    with ghost_cuda.Ghost():
        there = haunted(kind, torch.float64, **options)
        (got,) = learn([meta(there, method)], there, checkpoints=Checkpoints(tmp_path / "gpu"))
    assert isinstance(expected, MetaTrained)
    assert isinstance(got, MetaTrained)
    assert got.prompt.device.type == "cpu"
    torch.testing.assert_close(got.prompt, expected.prompt, rtol=0, atol=1e-7)
    assert got.curve == pytest.approx(expected.curve, abs=1e-7)


@pytest.mark.parametrize("kind", TINY)
def test_cells_on_a_gpu_end_as_on_a_cpu(ghost_cuda, kind):
    options = CALM.get(kind, {})
    here = TINY[kind](0, **options)
    expected = tune(cells(here), here)
    with ghost_cuda.Ghost():
        there = haunted(kind, torch.float64, **options)
        got = tune(cells(there), there)
    for one, other in zip(got, expected, strict=True):
        assert isinstance(one, Tuned)
        assert isinstance(other, Tuned)
        torch.testing.assert_close(one.prompt, other.prompt, rtol=0, atol=1e-7)
        assert (one.dev, one.test, one.evals) == (other.dev, other.test, other.evals)


class Poisoned:
    """A backbone whose losses for one run are NaN from a call on."""

    def __init__(self, backbone, run, call):
        self.backbone, self.run, self.call, self.calls = backbone, run, call, 0

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def losses(self, theta, batch):
        self.calls += 1
        losses = self.backbone.losses(theta, batch)
        if self.calls < self.call or len(losses) <= self.run:
            return losses
        wrong = torch.arange(len(losses), device=losses.device) == self.run
        return losses.masked_fill(wrong, float("nan"))


@pytest.mark.parametrize("at", [4, 6], ids=["amid the steps", "at the last one"])
def test_a_run_that_diverges_is_noticed_late_and_said_to_have_done_so_then(
    ghost_cuda, tmp_path, at
):
    def trained(backbone, folder):
        jobs = [longer(meta(backbone, "mtl", lr)) for lr in (0.1, 0.2)]
        # a probe takes two calls, and a first one on a GPU; a run's two episodes stand side by side
        probes = 3 if backbone.device.type == "cuda" else 2
        poisoned, log = Poisoned(backbone, 3, at + probes), []
        ends = learn(jobs, poisoned, checkpoints=Checkpoints(folder, 1e9), on_step=log.append)
        return ends, log

    (kept, diverged), rows = trained(TINY["t5"](0, spread=1.0), tmp_path / "cpu")
    assert isinstance(kept, MetaTrained)
    assert isinstance(diverged, Diverged)
    with ghost_cuda.Ghost():
        there = haunted("t5", torch.float64, spread=1.0)
        (other, late), rows_there = trained(there, tmp_path / "gpu")
    assert isinstance(other, MetaTrained)
    assert isinstance(late, Diverged)
    assert str(late) == str(diverged)
    assert rows_there == rows
    torch.testing.assert_close(other.prompt, kept.prompt, rtol=0, atol=1e-9)
    assert other.curve == pytest.approx(kept.curve, abs=1e-9)


def test_a_tensor_in_the_wrong_place_is_refused(ghost_cuda):
    with ghost_cuda.Ghost():
        backbone = haunted("t5")
        job = sent(cells(backbone)[0])
        theta = job.start[None]
        batch = collate([[job.split.train[0].row()]])
        assert backbone.losses(theta, batch.to(GHOST)).isfinite().all()
        with pytest.raises(RuntimeError, match="same device"):
            backbone.losses(theta, batch)
        with pytest.raises(RuntimeError, match="same device"):
            backbone.losses(theta.cpu(), batch.to(GHOST))


def test_a_batch_is_pinned_and_sent_whole(ghost_cuda, monkeypatch):
    def ids(*values):
        return torch.tensor(values).numpy()

    rows = [[TokenRow(ids(5, 6, 7), ids(8, 1))], [TokenRow(ids(9), ids(2, 3, 1))]]
    batch, pinned = collate(rows), []

    def pin(tensor):
        pinned.append(tensor)
        return tensor

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    with ghost_cuda.Ghost() as ghost:
        there = batch.to(GHOST)
        assert sum(ghost.h2d.values()) == len(pinned) == 1
        assert there.input.device == GHOST
        assert there.to(GHOST) is there
        for name in ("input", "input_mask", "target", "run_of_row", "place_of_row", "tokens"):
            assert getattr(there, name).cpu().tolist() == getattr(batch, name).tolist()
        assert (there.widest, there.is_padded) == (batch.widest, True)
    assert batch.to(torch.device("cpu")) is batch


def test_values_are_read_once_they_have_come(ghost_cuda, monkeypatch):
    events = []

    class Event:
        def synchronize(self):
            events.append("waited")

    class Stream:
        def record_event(self):
            events.append("queued")
            return Event()

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    with ghost_cuda.Ghost():
        reading = Reading(torch.ones(2, device=GHOST))
        assert events == ["queued"]
        assert reading.wait().tolist() == [1, 1]
        assert events == ["queued", "waited"]
    assert Reading(torch.zeros(1)).wait().tolist() == [0]
    assert len(events) == 2
