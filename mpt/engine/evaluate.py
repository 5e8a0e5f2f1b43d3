"""Answering and scoring: every run of a pack reads its own questions with its own prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

import numpy as np
import torch

from mpt.backbone.batch import collate
from mpt.backbone.frozen import Backbone
from mpt.gym.metrics import score
from mpt.gym.tokens import Questions, Row
from mpt.notation import Prompts

TOKENS_PER_PASS = 16_384
"""Padded tokens, prompt included, in one evaluation pass."""


def evaluate(
    backbone: Backbone, theta: Prompts, questions: Sequence[Questions], *, limit: int
) -> list[float]:
    """Each run's score under its own metric; 0 where a correlation is undefined.

    The same answer to every question has no correlation with anything: it shows no skill.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``.
        questions: one set per run.
        limit: tokens generated at most.
    """
    answers = answer(backbone, theta, [q.rows for q in questions], limit=limit)
    found = [
        score(q.metric, predictions, [list(gold) for gold in q.golds])
        for q, predictions in zip(questions, answers, strict=True)
    ]
    return [0.0 if isnan(value) else value for value in found]


def answer(
    backbone: Backbone, theta: Prompts, rows_of_run: Sequence[Sequence[Row]], *, limit: int
) -> list[list[str]]:
    """What greedy decoding writes for each row of each run.

    One teacher-forced pass tells which rows greedy decoding answers with exactly their first gold
    answer; only the others are generated. The answers are the same as if all had been.
    """
    texts: list[list[str]] = [[""] * len(rows) for rows in rows_of_run]
    for places in _passes(rows_of_run, theta.shape[1]):
        runs = sorted({run for run, _ in places})
        local = [[rows_of_run[run][i] for r, i in places if r == run] for run in runs]
        order = [(r, i) for run in runs for r, i in places if r == run]
        prompts = theta[runs]
        with torch.inference_mode():
            batch = collate(local).to(backbone.device)
            known = backbone.exact(prompts, batch).tolist()
        gold = backbone.decode([rows_of_run[r][i].target for r, i in order])
        missed = [n for n, right in enumerate(known) if not right]
        written = iter(backbone.generate(prompts, batch.rows(missed), limit) if missed else [])
        for (run, i), right, text in zip(order, known, gold, strict=True):
            texts[run][i] = text if right else next(written)
    return texts


def _passes(
    rows_of_run: Sequence[Sequence[Row]], prompt_tokens: int
) -> Iterator[list[tuple[int, int]]]:
    """(run, row) places, longest first, cut so that a padded pass holds at most so many tokens."""
    places = [(run, i) for run, rows in enumerate(rows_of_run) for i in range(len(rows))]
    lengths = np.array([rows_of_run[run][i].length for run, i in places])
    ordered = [places[n] for n in np.argsort(-lengths, kind="stable")]
    while ordered:
        run, i = ordered[0]
        width = prompt_tokens + rows_of_run[run][i].length
        size = max(1, TOKENS_PER_PASS // width)
        yield ordered[:size]
        ordered = ordered[size:]
