"""Choose answers among labels: the one that a backbone finds likeliest as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mpt.backbone.batch import answers_to, collate
from mpt.backbone.frozen import Backbone
from mpt.engine.memory import BackOff
from mpt.gym.tokens import Questions
from mpt.notation import Prompts

Choice = tuple[int, int, int]
"""A run, one of its rows, and one of the row's labels."""


def likeliest(
    backbone: Backbone, theta: Prompts, questions: Sequence[Questions], tokens: int
) -> list[list[str]]:
    """Return each row's likeliest label, the first of equals; nothing for runs without labels.

    A label's log-likelihood is the sum over its tokens, the end of the sequence among them: what
    tuning maximises for gold answers, and the logarithm of the probability that this text, and no
    longer one, is written. It is not divided by the label's length.

    Args:
        backbone: the frozen language model.
        theta: ``[R, P, H]``.
        questions: one set per run.
        tokens: padded tokens in one pass at most, with each label's question counted anew, as its
            keys and values are. A pass that is too much is cut in halves.

    Raises:
        OutOfMemory: one label of one question is too much.
    """
    likelihoods = [[np.zeros(len(choice.ids)) for choice in q.choices] for q in questions]
    ordered = _longest_first(questions)
    while ordered:
        width = theta.shape[1] + _width(questions, ordered[0])
        size = max(1, tokens // width)
        choices, ordered = ordered[:size], ordered[size:]
        backoff = BackOff(len(choices), len(theta), backbone.device)

        def read(size: int, choices: Sequence[Choice] = choices) -> None:
            for cut in range(0, len(choices), size):
                some = choices[cut : cut + size]
                values = _log_likelihoods(backbone, theta, questions, some)
                for (run, i, label), value in zip(some, values, strict=True):
                    likelihoods[run][i][label] = value

        backoff.run(read)
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


def _longest_first(questions: Sequence[Questions]) -> list[Choice]:
    """List every label of every row; labels of a row, and rows of like length, are neighbours."""
    places = [(run, i) for run, q in enumerate(questions) for i in range(len(q.choices))]
    lengths = np.array([_width(questions, (run, i, 0)) for run, i in places])
    ordered = (places[int(n)] for n in np.argsort(-lengths, kind="stable"))
    return [
        (run, i, label) for run, i in ordered for label in range(len(questions[run].choices[i].ids))
    ]


def _width(questions: Sequence[Questions], choice: Choice) -> int:
    """Return the tokens of a row's input and of the longest of its labels."""
    run, i, _ = choice
    row, ids = questions[run].rows[i], questions[run].choices[i].ids
    return len(row.input) + max(map(len, ids))
