"""Labels: the finite set of answers to a question, and what a task scores without any skill."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from math import isnan
from statistics import fmean

from mpt.gym.metrics import is_correlation, score
from mpt.gym.splits import PARTS, Example, FewShotSplit, TaskKind

FEW_ANSWERS = 10
"""A task with so many different answers at most is a classification, whatever its card says."""

_LETTER = re.compile(r"\(([A-Z])\)")

ReadLabels = Callable[[Example], Sequence[str]]
"""``read(example)``: the labels among which the answer to an example is chosen."""


def labels_of(split: FewShotSplit) -> tuple[str, ...]:
    """Return every answer of a task's rows, in alphabetical order."""
    examples = (example for part in PARTS for example in split.part(part))
    return tuple(sorted({answer for example in examples for answer in example.targets}))


def label_reader(split: FewShotSplit, kind: TaskKind) -> ReadLabels | None:
    """Return what reads the labels of a task's examples; None if its answers are free.

    The labels of a classification are all its answers, in alphabetical order. A text task has
    labels if it is a multiple choice: every example, of train, dev and test, ends with lettered
    options, of which one is literally an acceptable answer.

    Args:
        split: of the task, under any data seed.
        kind: of the task's card.
    """
    if kind == "classification":
        labels = labels_of(split)
        return lambda example: labels
    examples = (example for part in PARTS for example in split.part(part))
    if all(set(example.targets) & set(lettered_options(example.input)) for example in examples):
        return lambda example: lettered_options(example.input)
    return None


def chance_level(split: FewShotSplit, kind: TaskKind) -> float:
    """Return the score to expect of a guess, from 0 to 1.

    One over the number of classes; in a multiple choice, one over the number of options, averaged
    over the test rows; 0 where answers are free, and under a correlation.

    Args:
        split: with as many training rows as there are, so that no class is missing.
        kind: of the task's card.
    """
    if is_correlation(split.metric):
        return 0.0
    answers = {example.targets[0] for example in (*split.train, *split.test)}
    if kind == "classification":
        return 1 / len(answers)
    by_options = fmean(map(_chance_among_options, split.test))
    if by_options == 0 and len(answers) <= FEW_ANSWERS:
        return 1 / len(answers)
    return by_options


def majority_score(split: FewShotSplit) -> float:
    """Return the test score of giving the most frequent training answer to every question.

    Of equally frequent answers the first by alphabet is given. As in evaluation, an undefined
    correlation is 0.
    """
    counts = Counter(example.targets[0] for example in split.train)
    answer = min(counts, key=lambda text: (-counts[text], text))
    golds = [list(example.targets) for example in split.test]
    value = score(split.metric, [answer] * len(golds), golds)
    return 0.0 if isnan(value) else value


def lettered_options(text: str) -> Sequence[str]:
    """Return the options that a text ends with, as in ``which ? (A) this (B) that``; or none."""
    marks = list(_LETTER.finditer(text))
    first = max((at for at, mark in enumerate(marks) if mark[1] == "A"), default=len(marks))
    run = marks[first:]
    if len(run) < 2 or any(mark[1] != chr(ord("A") + at) for at, mark in enumerate(run)):
        return ()
    ends = [*(mark.start() for mark in run[1:]), len(text)]
    return [text[mark.end() : end].strip() for mark, end in zip(run, ends, strict=True)]


def _chance_among_options(example: Example) -> float:
    """Return one over the number of options if the answer is one of them, else 0."""
    options = [option.casefold() for option in lettered_options(example.input)]
    answers = [answer.casefold() for answer in example.targets]
    # the last option may be followed by the rest of a template
    offered = any(option.startswith(answer) for option in options for answer in answers)
    letters = {chr(ord("a") + at) for at in range(len(options))}
    return 1 / len(options) if options and (offered or letters & set(answers)) else 0.0
