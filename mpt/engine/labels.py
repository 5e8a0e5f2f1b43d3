"""Choose answers among labels: the one that a backbone finds likeliest as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mpt.backbone.batch import answers_to, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.passes import in_passes
from mpt.gym.tokens import Questions
from mpt.notation import Prompts

Choice = tuple[int, int, int]
"""A run, one of its rows, and one of the row's labels."""


def likeliest(
    backbone: Backbone, theta: Prompts, questions: Sequence[Questions]
) -> list[list[str]]:
    """Return each row's likeliest label, the first of equals; nothing for runs without labels.

    A label's log-likelihood is the sum over its tokens, the end of the sequence among them: what
    tuning maximises for gold answers, and the logarithm of the probability that this text, and no
    longer one, is written. It is not divided by the label's length. In a pass each label counts as
    wide as its question and itself: it has keys and values of its own.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``.
        questions: one set per run.

    Raises:
        OutOfMemory: one label of one question is too much.
    """
    likelihoods = [[np.zeros(len(choice.ids)) for choice in q.choices] for q in questions]

    def width(choice: Choice) -> int:
        run, i, _ = choice
        row, ids = questions[run].rows[i], questions[run].choices[i].ids
        return theta.shape[1] + len(row.input) + max(map(len, ids))

    def read(some: list[Choice]) -> None:
        values = _log_likelihoods(backbone, theta, questions, some)
        for (run, i, label), value in zip(some, values, strict=True):
            likelihoods[run][i][label] = value

    choices = [
        (run, i, label)
        for run, q in enumerate(questions)
        for i, choice in enumerate(q.choices)
        for label in range(len(choice.ids))
    ]
    in_passes(backbone, len(theta), choices, width, read, worst=read, kind="labels")
    return [
        [choice.texts[int(one.argmax())] for choice, one in zip(q.choices, own, strict=True)]
        for q, own in zip(questions, likelihoods, strict=True)
    ]


@torch.inference_mode()
def _log_likelihoods(
    backbone: Backbone, theta: Prompts, questions: Sequence[Questions], choices: Sequence[Choice]
) -> list[float]:
    """Compute the log-likelihood of some labels in one pass, which reads each question once."""
    places = sorted({(run, i) for run, i, _ in choices})
    runs = sorted({run for run, _ in places})
    rows = [[questions[run].rows[i] for r, i in places if r == run] for run in runs]
    prompts = theta[torch.tensor(runs).to(theta.device)]
    row_of_place = {place: row for row, place in enumerate(places)}
    answers = answers_to(
        [row_of_place[run, i] for run, i, _ in choices],
        [questions[run].choices[i].ids[label] for run, i, label in choices],
    )
    device = backbone.device
    batch = collate(rows).to(device)
    likelihoods = backbone.log_likelihoods(prompts, batch, answers.to(device))
    return [float(value) for value in likelihoods.cpu()]
