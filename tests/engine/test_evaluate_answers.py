"""Answers without generation are the answers that generation gives."""

from __future__ import annotations

import pytest
import torch
from tiny import TINY, tiny_t5

from mpt.backbone.batch import collate
from mpt.engine import evaluate as evaluation
from mpt.engine.passes import TOKENS_PER_PASS
from mpt.gym.metrics import score
from mpt.gym.tokens import Questions, TokenRow

INPUTS = ["the cat sat", "dog ran on the hill", "red", "is the mat blue", "no very good dog"]


@pytest.fixture(scope="module")
def t5():
    return tiny_t5(seed=4)


def questions(t5, theta) -> Questions:
    """Some golds are what the model would say, some are not."""
    inputs = t5.encode(INPUTS, 16)
    empty = [TokenRow(ids, t5.encode([""], 4, "target")[0]) for ids in inputs]
    said = t5.generate(theta[None], collate([empty]), 4)
    golds = [said[0], "yes", said[2], "a blue cat", said[4]]
    rows = [TokenRow(i, g) for i, g in zip(inputs, t5.encode(golds, 4, "target"), strict=True)]
    return Questions(tuple(rows), tuple((g,) for g in golds), "ACC")


@pytest.mark.parametrize("budget", [40, 100, 10_000])
def test_answers_equal_generation_whatever_the_pass(t5, monkeypatch, budget):
    monkeypatch.setitem(TOKENS_PER_PASS, "cpu", budget)
    theta = torch.stack([t5.vocabulary_prompt(3, "evaluate", r) for r in range(3)])
    asked = [questions(t5, prompt) for prompt in theta]
    found = evaluation.answer(t5, theta, [q.rows for q in asked], limit=4)
    for prompt, q, texts in zip(theta, asked, found, strict=True):
        assert texts == t5.generate(prompt[None], collate([q.rows]), 4)
        assert texts[1] != ""


class Counting:
    """A backbone that counts the rows it had to generate."""

    def __init__(self, backbone):
        self.backbone, self.generated = backbone, 0

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def generate(self, theta, batch, limit, beams=1):
        self.generated += len(batch)
        return self.backbone.generate(theta, batch, limit, beams)


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("metric", ["ACC", "EM", "QA-F1"])
def test_scores_are_those_of_generation_on_every_backbone(kind, metric):
    backbone = TINY[kind](seed=3)
    prompt = backbone.vocabulary_prompt(3, "score", 1)
    inputs = [
        TokenRow(ids, backbone.encode([""], 6, "target")[0]) for ids in backbone.encode(INPUTS, 16)
    ]
    said = backbone.generate(prompt[None], collate([inputs]), 6)
    golds = [(said[0],), ("yes",), (said[2].upper(), "no"), ("a blue cat", "red"), (said[4],)]
    targets = backbone.encode([gold[0] for gold in golds], 6, "target")
    rows = tuple(TokenRow(row.input, target) for row, target in zip(inputs, targets, strict=True))
    asked = [Questions(rows, tuple(golds), metric)]
    found = evaluation.evaluate(backbone, prompt[None], asked, limit=6)
    expected = score(metric, said, [list(gold) for gold in golds])
    assert found == pytest.approx([expected])


@pytest.mark.parametrize(("metric", "generated"), [("ACC", 0), ("EM", 0), ("QA-F1", 2)])
def test_answers_wrong_from_their_first_word_are_not_written_out(t5, metric, generated):
    backbone = Counting(t5)
    theta = t5.vocabulary_prompt(3, "evaluate", 0)[None]
    rows = questions(t5, theta[0]).rows[:2]
    yes = t5.encode(["yes"], 4, "target")[0]
    asked = [
        Questions(tuple(TokenRow(row.input, yes) for row in rows), (("yes",), ("yes",)), metric)
    ]
    assert evaluation.evaluate(backbone, theta, asked, limit=4) == [0.0]
    assert backbone.generated == generated


def test_beams_are_played_for_every_row(t5):
    theta = torch.stack([t5.vocabulary_prompt(3, "evaluate", r) for r in range(2)])
    asked = [questions(t5, prompt).rows for prompt in theta]
    found = evaluation.answer(t5, theta, asked, limit=4, beams=4)
    for prompt, rows, texts in zip(theta, asked, found, strict=True):
        assert texts == t5.generate(prompt[None], collate([rows]), 4, 4)


def test_scores_are_the_metric_of_the_answers(t5):
    theta = torch.stack([t5.vocabulary_prompt(3, "evaluate", r) for r in range(2)])
    asked = [questions(t5, prompt) for prompt in theta]
    answers = evaluation.answer(t5, theta, [q.rows for q in asked], limit=4)
    expected = [
        sum(text.lower() == gold[0].lower() for text, gold in zip(texts, q.golds, strict=True))
        / len(texts)
        for q, texts in zip(asked, answers, strict=True)
    ]
    assert evaluation.evaluate(t5, theta, asked, limit=4) == pytest.approx(expected)
