"""The likeliest label, beside an obvious loop over labels; and units that are scored so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import TINY, tiny_t5
from toy_backbone import ToyBackbone

from mpt.backbone.batch import collate
from mpt.config import BackboneConfig, CellConfig, FineTuneConfig, FineTuning, Tuning
from mpt.engine import evaluate as evaluation
from mpt.engine.evaluate import evaluate
from mpt.engine.finetune import fine_tune
from mpt.engine.labels import likeliest
from mpt.engine.pack import CellJob, FineTuneJob
from mpt.engine.passes import TOKENS_PER_PASS
from mpt.engine.tune import tune
from mpt.errors import OutOfMemory
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenRow, TokenSplit

INPUTS = ("the cat sat", "dog ran on the hill", "red", "is the mat blue", "no very good dog")
LABELS = ("very good", "bad", "not very good")
P, R = 3, 3
KINDS = ["toy", *(f"{kind} {place}" for kind in TINY for place in ("before", "after"))]


def made(kind):
    if kind == "toy":
        return ToyBackbone(seed=1)
    name, place = kind.split()
    return TINY[name](seed=2, place=place)


def task(backbone, labels=LABELS, kind="classification", name="task"):
    rows = tuple(Example(text, (labels[i % len(labels)],)) for i, text in enumerate(INPUTS))
    few = FewShotSplit(name, "ACC", 13, rows, rows[:4], rows)
    return TokenSplit(few, backbone.encode, 12, 6, kind=kind)


def prompts(backbone):
    rows = [backbone.vocabulary_prompt(P, "labels", run) for run in range(R)]
    return torch.stack(rows).to(backbone.dtype)


def by_loop(backbone, prompt, split, part="test"):
    """The label with the lowest loss, tokens counted: one row and one label at a time."""
    answers = []
    for example in split.split.part(part):
        (ids,) = backbone.encode([split.before + example.input], split.max_input)
        losses = {}
        for label in sorted({row.targets[0] for row in split.split.train}):
            (target,) = backbone.encode([label], split.max_target, "target")
            batch = collate([[TokenRow(ids, target)]])
            losses[label] = len(target) * float(backbone.losses(prompt[None], batch))
        answers.append(min(losses, key=losses.__getitem__))
    return answers


@pytest.mark.parametrize("tokens", [1, 60, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_the_likeliest_label_is_that_of_an_obvious_loop(kind, tokens, monkeypatch):
    monkeypatch.setitem(TOKENS_PER_PASS, "cpu", tokens)
    backbone = made(kind)
    theta = prompts(backbone)
    tasks = [task(backbone), task(backbone, ("cat", "dog")), task(backbone)]
    asked = [one.questions("test", scoring="labels") for one in tasks]
    found = likeliest(backbone, theta, asked)
    assert found == [by_loop(backbone, *one) for one in zip(theta, tasks, strict=True)]
    assert len({text for texts in found for text in texts}) > 1


def test_runs_with_and_without_labels_are_scored_together():
    backbone = tiny_t5(seed=4)
    theta = prompts(backbone)
    split = task(backbone)
    asked = [split.questions("test", scoring=way) for way in ("labels", "generation", "labels")]
    found = evaluate(backbone, theta, asked, limit=6)
    alone = [
        evaluate(backbone, theta[run : run + 1], [q], limit=6)[0] for run, q in enumerate(asked)
    ]
    assert found == alone
    golds = [row.targets[0] for row in split.split.test]
    right = [
        sum(map(str.__eq__, by_loop(backbone, theta[run], split), golds)) / len(golds)
        for run in (0, 2)
    ]
    assert [found[0], found[2]] == right


class Small:
    """A backbone with room for few answers in a pass."""

    def __init__(self, backbone, most):
        self.backbone, self.most, self.sizes = backbone, most, []

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def log_likelihoods(self, theta, batch, answers):
        if len(answers.row) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.sizes.append((len(batch), len(answers.row)))
        return self.backbone.log_likelihoods(theta, batch, answers)


def test_a_pass_that_is_too_much_is_halved_to_one_answer_at_a_time(monkeypatch):
    monkeypatch.setitem(TOKENS_PER_PASS, "cpu", 10_000)
    backbone = tiny_t5(seed=4)
    theta, asked = prompts(backbone)[:1], [task(backbone).questions("test", scoring="labels")]
    whole = likeliest(backbone, theta, asked)
    for most in (4, 1):
        small = Small(backbone, most)
        assert likeliest(small, theta, asked) == whole
        assert max(answers for _, answers in small.sizes) <= most
        assert sum(answers for _, answers in small.sizes) == len(INPUTS) * len(LABELS)
    with pytest.raises(OutOfMemory):
        likeliest(Small(backbone, 0), theta, asked)


def test_a_question_is_read_once_for_all_its_labels(monkeypatch):
    monkeypatch.setitem(TOKENS_PER_PASS, "cpu", 10_000)
    backbone = Small(tiny_t5(seed=4), 1000)
    asked = [task(backbone).questions("test", scoring="labels")] * R
    likeliest(backbone, prompts(backbone), asked)
    assert backbone.sizes == [(R * len(INPUTS), R * len(INPUTS) * len(LABELS))]


def config(kind=CellConfig, **tuning):
    budget = Tuning if kind is CellConfig else FineTuning
    start = {"start": "vocabulary"} if kind is CellConfig else {}
    return kind(
        backbone=BackboneConfig(prompt_tokens=P, max_input=12, max_target=6),
        weights="tiny",
        task="task",
        data_seed=13,
        data="d",
        lr=0.5,
        tuning=budget(steps=2, batch=2, num_evals=2, **tuning),
        **start,
    )


def test_a_cell_is_tested_by_the_labels_and_says_so(monkeypatch):
    backbone = tiny_t5(seed=4)
    generated = []
    answer = evaluation.answer

    def watched(backbone, theta, rows_of_run, **limits):
        generated.append(sum(map(len, rows_of_run)))
        return answer(backbone, theta, rows_of_run, **limits)

    monkeypatch.setattr(evaluation, "answer", watched)
    job = CellJob(config(scoring="labels"), task(backbone), prompts(backbone)[0])
    free = replace(job, split=task(backbone, kind="text_to_text", name="free"))
    found, text = tune([job, free], backbone)
    assert (found.scoring, text.scoring) == ("labels", "generation")
    assert generated == [4, 4, 5]
    expected = by_loop(backbone, found.prompt, job.split)
    right = [
        row.targets[0] == label for row, label in zip(job.split.split.test, expected, strict=True)
    ]
    assert found.test == sum(right) / len(right)


def test_so_is_full_fine_tuning():
    backbone = tiny_t5(seed=4)
    chosen = config(FineTuneConfig, scoring="labels", test_rows=3)
    found = fine_tune(FineTuneJob(chosen, task(backbone)), backbone)
    assert found.scoring == "labels"
    assert found.test in (0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1)


@pytest.mark.parametrize("kind", [CellConfig, FineTuneConfig])
def test_generation_is_stored_as_it_was_before_there_was_a_choice(kind):
    assert "scoring" not in config(kind).stored()["tuning"]
    assert config(kind, scoring="generation").digest == config(kind).digest
    labels = config(kind, scoring="labels")
    assert labels.stored()["tuning"]["scoring"] == "labels"
    assert labels.digest != config(kind).digest
    assert kind.model_validate(labels.stored()) == labels
