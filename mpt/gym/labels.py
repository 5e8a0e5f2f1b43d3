"""Labels: the finite set of answers to a question, for tasks that have one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpt.gym.chance import lettered_options
from mpt.gym.splits import PARTS, Example, FewShotSplit, TaskKind

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
