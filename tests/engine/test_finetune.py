"""Full fine-tuning against the loop that a user of transformers would write, and what it leaves."""

from __future__ import annotations

import weakref
from copy import deepcopy

import pytest
import torch
from tiny import TINY, WORDS
from toy_backbone import ToyBackbone

from mpt.backbone.batch import appended, collate, interleaved, mask_of
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig, FineTuneConfig, FineTuning
from mpt.engine import finetune
from mpt.engine.finetune import FineTuned, FineTuneStep, fine_tune
from mpt.engine.pack import FineTuneJob
from mpt.errors import Diverged, OutOfMemory
from mpt.gym.episodes import training_rows
from mpt.gym.metrics import score
from mpt.gym.source import open_gym
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.seeding import stream

pytestmark = pytest.mark.slow

STEPS, BATCH, RATE = 6, 4, 3e-3


def job(backbone, *, lr=RATE, steps=STEPS, limit=4, looks=3):
    """A task whose answer is the first word, with rows of many lengths."""
    draws = stream("finetune rows")
    texts = [" ".join(draws.choice(WORDS, 1 + i % 7)) for i in range(16)]
    rows = tuple(Example(text, (" ".join(text.split()[:2]),)) for text in texts)
    few = FewShotSplit("first words", "ACC", 13, rows[:6], rows[4:12], rows[8:])
    config = FineTuneConfig(
        backbone=BackboneConfig(name="tiny", max_input=12, max_target=limit),
        weights=backbone.weights,
        task=few.task,
        data_seed=13,
        data="x",
        lr=lr,
        tuning=FineTuning(steps=steps, batch=BATCH, num_evals=looks),
    )
    return FineTuneJob(config, TokenSplit(few, backbone.encode, 12, limit))


def loss_of(model, batch):
    """The model's own loss; of a causal one without transformers' cast to float32."""
    if model.config.is_encoder_decoder:
        labels = batch.target.contiguous()
        return model(batch.input, attention_mask=batch.input_mask, labels=labels).loss
    inputs = batch.input_mask.sum(1)
    order = appended(inputs, batch.input.shape[1], batch.target.shape[1])
    ids = interleaved(torch.cat([batch.input, batch.target.clamp_min(0)], 1), order)
    labels = interleaved(torch.cat([torch.full_like(batch.input, -100), batch.target], 1), order)
    mask = mask_of(inputs + (batch.target != -100).sum(1), ids.shape[1])
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())


def written(model, backbone, questions, limit):
    """What ``generate`` writes for each question, one by one."""
    texts = []
    for row in questions.rows:
        ids = torch.tensor(row.input)[None]
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=limit,
            do_sample=False,
        )[0]
        found = found if model.config.is_encoder_decoder else found[len(row.input) :]
        texts.append(backbone.tokenizer.decode(found, skip_special_tokens=True).strip())
    return texts


def obvious(task, backbone):
    """The whole model by transformers' own loss and Adafactor, tested where dev was best."""
    # late, as it brings peft along
    from transformers.optimization import Adafactor

    model, tuning = deepcopy(backbone.model).requires_grad_(True), task.config.tuning
    groups = [
        {"params": [weight], "weight_decay": 0.0 if name.endswith("bias") else 1e-5}
        for name, weight in model.named_parameters()
    ]
    optimiser = Adafactor(groups, lr=task.config.lr, scale_parameter=False, relative_step=False)
    curve, looks, best, kept = [], [], -1.0, None
    for step in range(tuning.steps):
        rows = training_rows(task.split.train, tuning.batch, step, task.config.task, 13)
        batch = collate([rows])
        loss = loss_of(model, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        curve.append(loss.item())
        if (step + 1) % (tuning.steps // tuning.num_evals) == 0:
            dev = scored(model, backbone, task, "dev")
            looks.append((step + 1, dev))
            if dev > best:
                best, kept = dev, deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return curve, looks, best, scored(model, backbone, task, "test")


def scored(model, backbone, task, part):
    questions = task.split.questions(part)
    answers = written(model, backbone, questions, task.config.backbone.max_target)
    return score(questions.metric, answers, [list(gold) for gold in questions.golds])


@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama"])
def test_it_is_the_obvious_loop(kind):
    backbone = TINY[kind](**({"spread": 1.0} if kind == "t5" else {}))
    task = job(backbone)
    curve, looks, dev, test = obvious(task, backbone)
    found = fine_tune(task, backbone)
    assert isinstance(found, FineTuned)
    # the keys' biases of GPT-2 have no gradient but rounding, which Adafactor makes a step of
    assert found.curve == pytest.approx(curve, rel=1e-5 if kind == "gpt2" else 1e-9)
    assert found.curve[0] > 1.2 * found.curve[-1], "it learns"
    assert (list(found.evals), found.dev, found.test) == (looks, dev, test)


class Watched:
    """A backbone that remembers the copy it was copy to, which may have room for few rows."""

    def __init__(self, backbone, rows=1000, error=None):
        self.backbone, self.rows, self.refused = backbone, rows, 0
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def trainable_copy(self):
        copy = self.backbone.trainable_copy()
        losses = copy.losses

        def narrow(theta, batch):
            if len(batch) > self.rows:
                self.refused += 1
                raise self.error
            return losses(theta, batch)

        copy.losses = narrow
        self.model = weakref.ref(copy.model)
        self.trainable_weights = weakref.WeakSet(copy.trainable_weights.values())
        return copy


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_the_shared_backbone_stays_as_it_was_and_the_copy_is_gone(kind):
    backbone = TINY[kind]()
    before = {name: weight.clone() for name, weight in backbone.model.state_dict().items()}
    watched = Watched(backbone)
    assert isinstance(fine_tune(job(backbone), watched), FineTuned)
    after = backbone.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(w.requires_grad or w.grad is not None for w in backbone.model.parameters())
    assert watched.model() is None
    assert not watched.trainable_weights


@pytest.mark.parametrize("kind", ["t5", "gemma"])
def test_short_of_memory_it_ends_as_if_it_were_not(kind):
    backbone = TINY[kind](**({"spread": 1.0} if kind == "t5" else {}))
    plenty, narrow = fine_tune(job(backbone), backbone), Watched(backbone, rows=2)
    scarce = fine_tune(job(backbone), narrow)
    assert isinstance(plenty, FineTuned)
    assert isinstance(scarce, FineTuned)
    assert narrow.refused
    assert scarce.curve == pytest.approx(plenty.curve, rel=1e-9)
    assert (scarce.evals, scarce.test) == (plenty.evals, plenty.test)


@pytest.mark.parametrize("where", ["a step", "the copy"])
def test_what_does_not_fit_at_all_is_told_with_advice(where, monkeypatch):
    backbone = TINY["llama"]()
    full = Watched(backbone, rows=0)
    if where == "the copy":

        def full_up():
            raise full.error

        monkeypatch.setattr(full, "trainable_copy", full_up)
    with pytest.raises(OutOfMemory, match=r"out of memory on cpu .* or a smaller backbone"):
        fine_tune(job(backbone), full)


def test_an_error_of_another_kind_is_let_through():
    backbone = TINY["llama"]()
    with pytest.raises(RuntimeError, match="expected scalar type"):
        fine_tune(job(backbone), Watched(backbone, 0, RuntimeError("expected scalar type Float")))


def test_a_step_that_goes_astray_is_told():
    backbone = ToyBackbone()
    found = fine_tune(job(backbone, lr=1e300), backbone)
    assert isinstance(found, Diverged)
    assert 1 <= found.step <= STEPS
    assert "diverged at step" in str(found)
    last = fine_tune(job(backbone, lr=1e308, steps=1, looks=1), backbone)
    assert isinstance(last, Diverged), "no later loss shows what the last step did"
    assert "a weight is not finite" in str(last)


def test_the_best_state_is_tested_and_not_the_last(monkeypatch):
    backbone = ToyBackbone()
    states, devs = [], iter([0.2, 0.9, 0.9, 0.1])

    def seen(model, theta, questions, *, limit, beams):
        states.append(
            {name: weight.detach().clone() for name, weight in model.trainable_weights.items()}
        )
        return [next(devs, 0.5)]

    monkeypatch.setattr(finetune, "evaluate", seen)
    found = fine_tune(job(backbone, steps=8, looks=4), backbone)
    assert isinstance(found, FineTuned)
    assert (found.dev, found.test, found.best_step) == (0.9, 0.5, 4)
    *looks, tested = states
    same = [all(torch.equal(look[name], tested[name]) for name in tested) for look in looks]
    assert same == [False, True, False, False]


def held(model, batch):
    """Bytes kept between a forward and its backward pass."""
    kept = {}

    def keep(saved):
        if not isinstance(saved, torch.nn.Parameter):
            kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    theta = model.vocabulary_prompt(1)[None, :0]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        model.losses(theta, batch).sum().backward()
    return sum(kept.values())


@pytest.mark.parametrize("kind", TINY)
def test_layers_are_recomputed_with_the_same_gradients(kind, monkeypatch):
    backbone = TINY[kind]()
    batch = collate([training_rows(job(backbone).split.train, 4, 0, "x")])
    copy = backbone.trainable_copy()
    less = held(copy, batch)
    monkeypatch.setattr("mpt.backbone.trainable.model_parts.layers", lambda model: [])
    plain = backbone.trainable_copy()
    assert less < 0.6 * held(plain, batch)
    for name, weight in plain.trainable_weights.items():
        assert weight.grad is not None
        torch.testing.assert_close(
            copy.trainable_weights[name].grad, weight.grad, rtol=0, atol=1e-12
        )


def test_bfloat16_is_for_the_layers_and_not_for_the_weights():
    narrow, wide = (
        TINY["t5"](0, torch.bfloat16, spread=1.0),
        TINY["t5"](0, torch.float32, spread=1.0),
    )
    copy = narrow.trainable_copy()
    assert {weight.dtype for weight in copy.trainable_weights.values()} == {torch.float32}
    one, other = fine_tune(job(narrow), narrow), fine_tune(job(wide), wide)
    assert isinstance(one, FineTuned)
    assert isinstance(other, FineTuned)
    assert one.curve != other.curve
    assert one.curve == pytest.approx(other.curve, rel=0.05)


def test_the_embedded_backbone_learns_a_task():
    backbone = load_backbone("mini", "cpu")
    few = open_gym("mini").split("forum-topic", 13)
    split = TokenSplit(few, backbone.encode, 64, 16)
    config = job(backbone).config.model_copy(
        update={"task": few.task, "tuning": FineTuning(steps=24, batch=8, num_evals=4), "lr": 5e-4}
    )
    step = FineTuneStep(FineTuneJob(config, split), backbone)
    before = step.score("dev")
    found = fine_tune(FineTuneJob(config, split), backbone)
    assert isinstance(found, FineTuned)
    assert found.dev > before
