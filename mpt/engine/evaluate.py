"""Answer and score: every run of a pack reads its own questions with its own prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

import numpy as np
import torch

from mpt.backbone.batch import Batch, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.labels import likeliest
from mpt.engine.passes import in_passes
from mpt.gym.metrics import can_still_match, score
from mpt.gym.tokens import Questions, TokenRow
from mpt.notation import Prompts

Place = tuple[int, int]
"""A run, and one of its rows."""

NeedsGeneration = Callable[[int, int, str], bool]
"""``needs_generation(run, i, begun)``: whether an answer to row i that begins so is to be written
to its end."""


def evaluate(
    backbone: Backbone,
    theta: Prompts,
    questions: Sequence[Questions],
    *,
    limit: int,
    beams: int = 1,
) -> list[float]:
    """Score each run under its own metric; 0 where a correlation is undefined.

    The same answer to every question has no correlation with anything: it shows no skill. Runs
    whose questions have choices are answered by the likeliest of them; the others by decoding,
    where answers that are wrong from their first words on are not written to their end.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``.
        questions: one set per run.
        limit: tokens generated at most.
        beams: 1 for greedy decoding, else see ``Backbone.generate``.
    """

    def can_match(run: int, i: int, begun: str) -> bool:
        return can_still_match(questions[run].metric, begun, questions[run].golds[i])

    rows = [() if q.choices else q.rows for q in questions]
    written = answer(backbone, theta, rows, limit=limit, beams=beams, needs_generation=can_match)
    chosen = likeliest(backbone, theta, questions)
    scores = [
        score(q.metric, labels if q.choices else texts, [list(gold) for gold in q.golds])
        for q, texts, labels in zip(questions, written, chosen, strict=True)
    ]
    return [0.0 if isnan(value) else value for value in scores]


def answer(
    backbone: Backbone,
    theta: Prompts,
    rows_of_run: Sequence[Sequence[TokenRow]],
    *,
    limit: int,
    beams: int = 1,
    needs_generation: NeedsGeneration = lambda run, i, begun: True,
) -> list[list[str]]:
    """Return what decoding writes for each row of each run.

    Under greedy decoding one teacher-forced pass tells how every answer begins: it follows the
    row's first gold answer up to the first token that the model would write otherwise. Answers
    that follow it to its end, or end where they leave it, are known; those that need no generation
    stay as they have begun; only the rest is generated.
    """
    texts: list[list[str]] = [[""] * len(rows) for rows in rows_of_run]

    def width(place: Place) -> int:
        run, i = place
        return theta.shape[1] + rows_of_run[run][i].length

    def write(places: list[Place]) -> None:
        some = sorted(places)
        written = _answered(backbone, theta, rows_of_run, some, limit, beams, needs_generation)
        for (run, i), text in zip(some, written, strict=True):
            texts[run][i] = text

    def write_whole(places: list[Place]) -> None:
        prompts, batch = _posed(backbone, theta, rows_of_run, sorted(places))
        if beams == 1:
            backbone.teacher_forced_argmax(prompts, batch.to(backbone.device))
        backbone.generate(prompts, batch.to(backbone.device), limit, beams, whole=True)

    places = [(run, i) for run, rows in enumerate(rows_of_run) for i in range(len(rows))]
    kind = "answers", limit, beams
    in_passes(backbone, len(theta), places, width, write, worst=write_whole, kind=kind)
    return texts


def _posed(
    backbone: Backbone,
    theta: Prompts,
    rows_of_run: Sequence[Sequence[TokenRow]],
    places: Sequence[Place],
) -> tuple[Prompts, Batch]:
    """The rows at ``places``, which are sorted, as a batch on the CPU, and the prompts it reads."""
    runs = sorted({run for run, _ in places})
    local = [[rows_of_run[run][i] for r, i in places if r == run] for run in runs]
    return theta[torch.tensor(runs).to(theta.device)], collate(local)


@torch.inference_mode()
def _answered(
    backbone: Backbone,
    theta: Prompts,
    rows_of_run: Sequence[Sequence[TokenRow]],
    places: Sequence[Place],
    limit: int,
    beams: int,
    needs_generation: NeedsGeneration,
) -> list[str]:
    """Answers to the rows at ``places``, which are sorted: one pass, and one of generation."""
    prompts, batch = _posed(backbone, theta, rows_of_run, places)
    if beams > 1:
        return backbone.generate(prompts, batch.to(backbone.device), limit, beams)
    begun, ended = _begun(backbone, prompts, batch)
    known = [
        end or not needs_generation(run, i, text)
        for (run, i), text, end in zip(places, begun, ended, strict=True)
    ]
    missed = [n for n, is_final in enumerate(known) if not is_final]
    left = batch.rows(missed).to(backbone.device) if missed else None
    written = iter(backbone.generate(prompts, left, limit) if left else [])
    return [
        text if is_final else next(written) for text, is_final in zip(begun, known, strict=True)
    ]


def _begun(backbone: Backbone, theta: Prompts, batch: Batch) -> tuple[list[str], list[bool]]:
    """How greedy decoding begins each row's answer, and whether that is all of it."""
    argmaxes = backbone.teacher_forced_argmax(theta, batch.to(backbone.device)).cpu().numpy()
    targets = batch.target.numpy()
    begun, ended = list[np.ndarray](), list[bool]()
    for argmax, target in zip(argmaxes, targets, strict=True):
        length = int((target != -100).sum())
        apart = (argmax[:length] != target[:length]).nonzero()[0]
        stop = int(apart[0]) + 1 if len(apart) else length
        begun.append(argmax[:stop])
        ended.append(bool(argmax[stop - 1] == target[length - 1]))
    return backbone.decode(begun), ended
