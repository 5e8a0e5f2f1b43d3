"""Answers without generation are the answers that generation gives."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_t5

from mpt.backbone.batch import collate
from mpt.engine import evaluate as evaluation
from mpt.gym.tokens import Questions, Row

INPUTS = ["the cat sat", "dog ran on the hill", "red", "is the mat blue", "no very good dog"]


@pytest.fixture(scope="module")
def t5():
    return tiny_t5(seed=5)


def questions(t5, theta) -> Questions:
    """Some golds are what the model would say, some are not."""
    inputs = t5.encode(INPUTS, 16)
    empty = [Row(ids, t5.encode([""], 4)[0]) for ids in inputs]
    said = t5.generate(theta[None], collate([empty]), 4)
    golds = [said[0], "yes", said[2], "a blue cat", said[4]]
    rows = [Row(i, g) for i, g in zip(inputs, t5.encode(golds, 4), strict=True)]
    return Questions(tuple(rows), tuple((g,) for g in golds), "ACC")


@pytest.mark.parametrize("budget", [40, 100, 10_000])
def test_answers_equal_generation_whatever_the_pass(t5, monkeypatch, budget):
    monkeypatch.setattr(evaluation, "TOKENS_PER_PASS", budget)
    theta = torch.stack([t5.vocabulary_prompt(3, "evaluate", r) for r in range(3)])
    asked = [questions(t5, prompt) for prompt in theta]
    found = evaluation.answer(t5, theta, [q.rows for q in asked], limit=4)
    for prompt, q, texts in zip(theta, asked, found, strict=True):
        assert texts == t5.generate(prompt[None], collate([q.rows]), 4)
        assert texts[1] != ""


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
