"""Packs on the toy backbone: together as alone, stopped as unstopped."""

from __future__ import annotations

from dataclasses import replace
from errno import ENOSPC
from itertools import cycle, product
from typing import Any

import pytest
import safetensors.torch
import torch
from tiny import TINY
from toy_backbone import ToyBackbone

from mpt.config import BackboneConfig, CellConfig, InnerLoop, OuterLoop, RunConfig, Tuning
from mpt.engine import checkpoint, train
from mpt.engine.checkpoint import Checkpoints, plan_of
from mpt.engine.evaluate import evaluate
from mpt.engine.learn import MetaTrained, learn
from mpt.engine.optim import OPTIMISERS
from mpt.engine.pack import CellJob, MetaJob, packs, run_shape
from mpt.engine.step import MetaStep
from mpt.engine.tune import Tuned, eval_steps, tune
from mpt.errors import Diverged
from mpt.files.tensor_file import notes_of, tensor_bytes
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.methods import METHODS

WORDS = ["cat", "dog", "horse", "bird", "fish", "goat", "hen", "cow", "pig", "duck"]
BACKBONE = BackboneConfig(name="toy", prompt_tokens=3, max_input=16, max_target=4)


@pytest.fixture
def toy():
    return ToyBackbone()


def split(toy, task: str, seed: int = 13) -> TokenSplit:
    examples = [Example(f"{task} {w}", ("a" if i % 2 else "b", "c")) for i, w in enumerate(WORDS)]
    few = FewShotSplit(task, "ACC", seed, tuple(examples[:6]), tuple(examples[4:]), tuple(examples))
    return TokenSplit(few, toy.encode, BACKBONE.max_input, BACKBONE.max_target)


def run(
    toy,
    *,
    method: Any = "maml",
    optimiser: Any = "adafactor",
    inner_lr: float = 0.3,
    outer_lr: float = 0.2,
    steps: int = 6,
):
    config = RunConfig(
        backbone=BACKBONE,
        weights=toy.weights,
        method=method,
        inner=InnerLoop(lr=inner_lr, steps=2, batch=2),
        outer=OuterLoop(optimiser=optimiser, lr=outer_lr, steps=steps, episodes=2, batch=3),
        sources=("one", "two"),
        data_seeds=(13,),
        data="x",
    )
    start = toy.vocabulary_prompt(3, config.digest)
    return MetaJob(config, (split(toy, "one"), split(toy, "two")), start)


def cell(toy, task: str = "one", *, lr: float = 0.3):
    config = CellConfig(
        backbone=BACKBONE,
        weights=toy.weights,
        task=task,
        data_seed=13,
        data="x",
        start="vocabulary",
        lr=lr,
        tuning=Tuning(steps=12, batch=4, num_evals=3),
    )
    return CellJob(config, split(toy, task), toy.vocabulary_prompt(3, task))


@pytest.mark.parametrize("method", ["maml", "fomaml", "reptile", "mtl"])
def test_meta_trainings_together_are_meta_trainings_alone(toy, tmp_path, method):
    jobs = [
        run(toy, method=method),
        run(toy, method=method, inner_lr=0.05),
        run(toy, method=method, outer_lr=0.5, steps=3),
    ]
    together = learn(jobs, toy, checkpoints=Checkpoints(tmp_path / "together"))
    for job, packed in zip(jobs, together, strict=True):
        (alone,) = learn([job], toy, checkpoints=Checkpoints(tmp_path / "alone"))
        assert isinstance(packed, MetaTrained)
        assert isinstance(alone, MetaTrained)
        assert len(packed.curve) == job.config.outer.steps
        torch.testing.assert_close(packed.prompt, alone.prompt, rtol=0, atol=1e-9)
        assert packed.curve == pytest.approx(alone.curve, abs=1e-9)
        assert (packed.prompt - job.start).abs().max() > 0.01


def test_cells_of_a_task_with_other_shots_read_their_own_rows(toy):
    whole = cell(toy)
    few = whole.split.split
    fewer = TokenSplit(
        FewShotSplit(few.task, few.metric, few.seed, few.train[:4], few.dev, few.test),
        toy.encode,
        BACKBONE.max_input,
        BACKBONE.max_target,
    )
    jobs = [whole, replace(whole, split=fewer)]
    together = tune(jobs, toy)
    for job, packed in zip(jobs, together, strict=True):
        (alone,) = tune([job], toy)
        assert isinstance(packed, Tuned)
        assert isinstance(alone, Tuned)
        assert packed.curve == pytest.approx(alone.curve, abs=1e-9)
    assert together[0].curve != pytest.approx(together[1].curve, abs=1e-3)


class Killed(Exception):
    """The process dies here."""


def test_an_interrupt_amid_a_step_keeps_the_last_whole_step(toy, tmp_path, monkeypatch):
    jobs = [run(toy), run(toy, outer_lr=0.4)]
    undisturbed = learn(jobs, toy, checkpoints=Checkpoints(tmp_path / "a"))
    step, taken = MetaStep.__call__, []

    def interrupted(self, state):
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(state.position)
        return step(self, state)

    seldom = Checkpoints(tmp_path / "b", every=1e9)
    with monkeypatch.context() as patch:
        patch.setattr(MetaStep, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(jobs, toy, checkpoints=seldom)
    saved = [seldom.read(job.config.digest) for job in jobs]
    assert [(one.position, len(one.curve)) for one in saved if one] == [(2, 2), (2, 2)]
    for one, other in zip(undisturbed, learn(jobs, toy, checkpoints=seldom), strict=True):
        assert isinstance(one, MetaTrained)
        assert isinstance(other, MetaTrained)
        assert torch.equal(one.prompt, other.prompt)
        assert one.curve == other.curve


def test_a_disk_that_takes_no_checkpoint_costs_no_training(toy, tmp_path, monkeypatch, caplog):
    jobs = [run(toy)]
    (wanted,) = learn(jobs, toy, checkpoints=Checkpoints(tmp_path / "a"))

    def full(path, data):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_whole", full)
    (found,) = learn(jobs, toy, checkpoints=Checkpoints(tmp_path / "b", every=0.0))
    assert isinstance(found, MetaTrained)
    assert torch.equal(found.prompt, wanted.prompt)
    assert [record.getMessage() for record in caplog.records] == [
        f"checkpoints cannot be written to {tmp_path / 'b'} (No space left on device); "
        "training continues, and starts anew if it is interrupted: make room, or set MPT_HOME to "
        "another disk"
    ]


@pytest.mark.parametrize(
    ("kind", "method", "optimiser"),
    [
        *product(["toy"], METHODS, OPTIMISERS),
        # each optimiser on each of these too, though not with every method
        *(("t5", method, optimiser) for method, optimiser in zip(METHODS, cycle(OPTIMISERS))),
        *(("gpt2", method, optimiser) for method, optimiser in zip(METHODS, cycle(OPTIMISERS))),
    ],
)
def test_a_killed_meta_training_continues_bit_for_bit(tmp_path, kind, method, optimiser):
    """In single precision, where a pack of another make-up or plan would round otherwise."""
    backbone = ToyBackbone() if kind == "toy" else TINY[kind](0, torch.float32)
    jobs = [
        run(backbone, method=method, optimiser=optimiser),
        run(backbone, method=method, optimiser=optimiser, outer_lr=0.4),
        run(backbone, method=method, optimiser=optimiser, outer_lr=0.1, steps=3),
    ]
    undisturbed = learn(jobs, backbone, checkpoints=Checkpoints(tmp_path / "a"))
    steps = 0

    def die_at_the_fifth(rows: int) -> None:
        nonlocal steps
        steps += rows
        if steps == 3 * 3 + 2 * 2:
            raise Killed

    every_step = Checkpoints(tmp_path / "b", every=0.0)
    with pytest.raises(Killed):
        learn(jobs, backbone, checkpoints=every_step, on_step=die_at_the_fifth)
    saved = [every_step.read(job.config.digest) for job in jobs]
    assert [one and one.position for one in saved] == [5, 5, 3]
    seen: list[int] = []
    resumed = learn(jobs, backbone, checkpoints=every_step, on_step=seen.append)
    assert seen == [13, 2], "the steps already taken are not repeated"
    for one, other in zip(undisturbed, resumed, strict=True):
        assert isinstance(one, MetaTrained)
        assert isinstance(other, MetaTrained)
        assert torch.equal(one.prompt, other.prompt)
        assert one.curve == other.curve


def test_a_run_that_ended_is_saved_before_its_neighbours_go_on(toy, tmp_path):
    """Else it would begin anew beside them, in packs that they were not in."""
    jobs = [run(toy), run(toy, steps=3)]
    seldom = Checkpoints(tmp_path, every=1e9)
    learn(jobs, toy, checkpoints=seldom)
    saved = [seldom.read(job.config.digest) for job in jobs]
    assert [one and one.position for one in saved] == [6, 3]


def test_a_resumed_run_is_computed_as_it_was_begun(toy, tmp_path):
    """Room found at another moment may not change how a run goes on, nor another device's plan."""
    job, checkpoints = run(toy), Checkpoints(tmp_path, every=0.0)
    learn([job], toy, checkpoints=checkpoints)
    saved = checkpoints.read(job.config.digest)
    assert saved is not None
    assert saved.plan is not None
    assert plan_of([saved, saved], "auto", "none") == saved.plan
    assert plan_of([saved], saved.plan.engine, "none") == saved.plan
    assert plan_of([saved], "recursion", "none") is None
    assert plan_of([saved], "auto", "sdpa flash") is None
    assert plan_of([saved, None], "auto", "none") is None
    other = replace(saved, plan=replace(saved.plan, rows=1))
    assert plan_of([saved, other], "auto", "none") is None


def flipped(data: bytes, other: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 0x10]) + data[-4:]


def later(data: bytes, other: bytes) -> bytes:
    return data.replace(rb"\"position\": 6", rb"\"position\": 5")


def with_nan(data: bytes, other: bytes) -> bytes:
    tensors, told = safetensors.torch.load(data), notes_of(data)["mpt"]
    tensors["theta"][0, 0] = float("nan")
    return tensor_bytes(tensors, {"mpt": told, "sha256": checkpoint._sum(told, tensors)})


def of_another_width(data: bytes, other: bytes) -> bytes:
    tensors, told = safetensors.torch.load(data), notes_of(data)["mpt"]
    tensors["theta"] = tensors["theta"][:, :-1].contiguous()
    return tensor_bytes(tensors, {"mpt": told, "sha256": checkpoint._sum(told, tensors)})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data, other: data[:100], "header"),
        (lambda data, other: b"", "header too small"),
        (flipped, "its SHA-256 is not that of what it holds"),
        (later, "its SHA-256 is not that of what it holds"),
        (lambda data, other: other, "it is that of run "),
        (with_nan, "it holds NaN or infinity"),
        (of_another_width, "its theta is not that of its run"),
        (lambda data, other: tensor_bytes(safetensors.torch.load(data), {}), "it lacks 'sha256'"),
    ],
)
def test_a_bad_checkpoint_is_started_over_and_told(change, why, toy, tmp_path, caplog):
    job, other = run(toy), run(toy, outer_lr=0.4)
    checkpoints = Checkpoints(tmp_path, every=0.0)
    whole, _ = (learn([one], toy, checkpoints=checkpoints)[0] for one in (job, other))
    path = checkpoints.path(job.config.digest)
    before = path.read_bytes()
    bad = change(before, checkpoints.path(other.config.digest).read_bytes())
    assert bad != before
    path.write_bytes(bad)
    seen: list[int] = []
    again = learn([job], toy, checkpoints=checkpoints, on_step=seen.append)[0]
    assert isinstance(whole, MetaTrained)
    assert isinstance(again, MetaTrained)
    assert torch.equal(whole.prompt, again.prompt)
    assert seen == [0, *[1] * 6], "from its first step on"
    (line,) = (record.getMessage() for record in caplog.records)
    assert why in line
    assert line.endswith(f"run {job.config.digest} begins anew")


def test_a_diverged_run_leaves_and_its_neighbour_is_unharmed(toy, tmp_path):
    calm, wild = run(toy), run(toy, outer_lr=1e300)
    alone = learn([calm], toy, checkpoints=Checkpoints(tmp_path / "alone"))[0]
    beside, diverged = learn([calm, wild], toy, checkpoints=Checkpoints(tmp_path / "beside"))
    assert isinstance(diverged, Diverged)
    assert 1 <= diverged.step <= 6
    assert "diverged at step" in str(diverged)
    assert isinstance(alone, MetaTrained)
    assert isinstance(beside, MetaTrained)
    torch.testing.assert_close(beside.prompt, alone.prompt, rtol=0, atol=1e-9)


def test_cells_together_are_cells_alone_and_keep_their_best(toy):
    jobs = [cell(toy), cell(toy, "two"), cell(toy, lr=0.05)]
    together = tune(jobs, toy)
    for job, packed in zip(jobs, together, strict=True):
        (alone,) = tune([job], toy)
        assert isinstance(packed, Tuned)
        assert isinstance(alone, Tuned)
        torch.testing.assert_close(packed.prompt, alone.prompt, rtol=0, atol=1e-9)
        assert (packed.dev, packed.test, packed.evals) == (alone.dev, alone.test, alone.evals)
        assert packed.dev == max(score for _, score in packed.evals)
        first_best = next(step for step, score in packed.evals if score == packed.dev)
        assert packed.best_step == first_best


def test_a_bound_on_dev_rows_takes_them_evenly_and_leaves_the_test_set_whole(toy, monkeypatch):
    scored = []

    def watched(backbone, theta, questions, **limits):
        scored.append([[gold[0] for gold in q.golds] for q in questions])
        return evaluate(backbone, theta, questions, **limits)

    job = cell(toy)
    rows = tuple(Example(word, (word,)) for word in WORDS[:7])
    few = replace(job.split.split, dev=rows)
    monkeypatch.setattr("mpt.engine.tune.evaluate", watched)
    for bound, words in ((3, ["cat", "horse", "fish"]), (7, WORDS[:7]), (100, WORDS[:7])):
        tuning = job.config.tuning.model_copy(update={"dev_rows": bound})
        config = job.config.model_copy(update={"tuning": tuning})
        tune([replace(job, config=config, split=TokenSplit(few, toy.encode, 16, 4))], toy)
        assert scored[:3] == [[words]] * 3
        assert [len(part) for part in scored[3]] == [len(few.test)]
        scored.clear()


def test_a_bound_on_test_rows_scores_the_rows_that_the_split_draws(toy, monkeypatch):
    scored = []

    def watched(backbone, theta, questions, **limits):
        scored.append([[gold[0] for gold in q.golds] for q in questions])
        return evaluate(backbone, theta, questions, **limits)

    job = cell(toy)
    few = replace(job.split.split, test=tuple(Example(word, (word,)) for word in WORDS))
    monkeypatch.setattr("mpt.engine.tune.evaluate", watched)
    tuning = job.config.tuning.model_copy(update={"test_rows": 3})
    config = job.config.model_copy(update={"tuning": tuning})
    tune([replace(job, config=config, split=TokenSplit(few, toy.encode, 16, 4))], toy)
    *dev, test = scored
    assert test == [[WORDS[i] for i in few.test_places(3)]]
    assert {len(rows) for (rows,) in dev} == {len(few.dev)}


@pytest.mark.parametrize("bound", ["dev_rows", "test_rows"])
def test_a_bound_on_rows_is_stored_where_it_is_set_alone(bound):
    assert bound not in Tuning().stored()
    assert Tuning(**{bound: 2}).stored()[bound] == 2
    assert len({Tuning(**{bound: most}).digest for most in (None, 2, 3)}) == 3


def test_looks_are_even_and_end_at_the_end():
    assert eval_steps(40, 4) == {10, 20, 30, 40}
    assert eval_steps(10, 3) == {3, 7, 10}
    assert eval_steps(2, 5) == {1, 2}


def test_packs_group_by_shape_and_keep_order(toy):
    jobs = [run(toy), run(toy, method="mtl"), run(toy, inner_lr=0.1), run(toy, inner_lr=0.2)]
    grouped = packs(jobs, shape=lambda job: run_shape(job.config), size=2)
    assert [[jobs.index(job) for job in pack] for pack in grouped] == [[0, 2], [3], [1]]


def test_a_run_without_steps_ends_where_it_starts(toy):
    from mpt.engine.optim import SGD

    empty = train.Run("none", torch.ones(2, 3), 0.1, 0)
    state = train.start([empty], SGD())
    (end,) = train.train(
        [empty],
        state,
        lambda state: pytest.fail("no step was due"),
        optimiser=SGD(),
        watch=lambda state, losses: None,
    )
    assert isinstance(end, train.Trained)
    assert torch.equal(end.prompt, empty.start)
