"""How much of a task's rows a backbone can read and write, counted before training: inputs that are
cut, and answers that cannot be generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mpt.errors import DataError
from mpt.gym.splits import Part

CURE = (
    "raise `max_input` or `max_target` under `backbone` in the study file, or shorten the rows; "
    "`mpt gym show TASK --gym FOLDER` counts them"
)

MOST = 5
"""The number of tasks that get a line each."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of one part of a task, under one data seed, a backbone can read and write.

    Attributes:
        inputs, cut: the number of inputs, and of those longer than ``max_input`` tokens.
        answers: the number of gold answers that the metric compares with.
        lost: how many of them score less than 1 after encoding to ``max_target`` tokens and
            decoding.
        worthless: how many of them score 0 after that.
        shown: a lost answer, and the text that it is decoded to.
    """

    task: str
    part: Part
    inputs: int
    cut: int
    answers: int
    lost: int
    worthless: int
    max_input: int
    max_target: int
    shown: tuple[str, str] | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether every input is read whole and every answer can be generated."""
        return not self.cut and not self.lost

    @property
    def example(self) -> str:
        """Return ``e.g. 'gold' comes back as 'written'``; empty if no answer is lost."""
        if self.shown is None:
            return ""
        gold, decoded = (t if len(t) <= 50 else f"{t[:20]} ... {t[-25:]}" for t in self.shown)
        return f"e.g. {gold!r} comes back as {decoded!r}"

    def refuse_hopeless(self) -> None:
        """Raise ``DataError`` for a dev or test part on which every score would be 0."""
        if self.part != "train" and self.worthless == self.answers:
            raise DataError(
                f"{self.task}: none of its {self.answers} {self.part} answers can be written with "
                f"max_target {self.max_target} ({self.example}), so that every score would be 0",
                fix=(
                    "raise the backbone's max_target, use another backbone, change the answers, or "
                    "leave the task out"
                ),
            )


def reach_lines(reaches: Iterable[Reach]) -> tuple[str, ...]:
    """Return a line for each task with cut inputs or lost answers, the worst first.

    At most ``MOST`` tasks get a line each, the others share one. Counts are over all parts and data
    seeds.
    """
    by_task: dict[str, list[Reach]] = {}
    for reach in reaches:
        by_task.setdefault(reach.task, []).append(reach)
    limited = (parts for parts in by_task.values() if not all(r.is_whole for r in parts))
    tasks = sorted(limited, key=_worst_first)
    lines = [f"{parts[0].task}: {'; '.join(_faults(parts))}" for parts in tasks[:MOST]]
    if rest := [reach for parts in tasks[MOST:] for reach in parts]:
        lines.append(f"{len(tasks) - MOST} more tasks: {'; '.join(_faults(rest))}")
    return tuple(lines)


def reach_sum(reaches: Sequence[Reach]) -> str:
    """Return one line: the number of tasks with cut inputs or lost answers, and their counts."""
    limited = {reach.task for reach in reaches if not reach.is_whole}
    every = {reach.task for reach in reaches}
    return f"{len(limited)} of {len(every)} tasks: {'; '.join(_faults(reaches))}"


def _worst_first(parts: Sequence[Reach]) -> tuple[float, float, str]:
    """Return a sort key: by the share of lost answers, then of cut inputs, then by name."""
    lost, cut = (sum(getattr(part, name) for part in parts) for name in ("lost", "cut"))
    answers, inputs = (sum(getattr(part, name) for part in parts) for name in ("answers", "inputs"))
    return -lost / max(answers, 1), -cut / max(inputs, 1), parts[0].task


def _faults(parts: Sequence[Reach]) -> Iterator[str]:
    first, example = parts[0], next((part.example for part in parts if part.shown), "")
    if lost := _counts((part.part, part.lost, part.answers) for part in parts):
        yield f"{lost} answers cannot be written within max_target {first.max_target} ({example})"
    if cut := _counts((part.part, part.cut, part.inputs) for part in parts):
        yield f"{cut} inputs are cut at max_input {first.max_input}"


def _counts(counts: Iterable[tuple[str, int, int]]) -> str:
    """Format counts as ``train 3 of 32, test 4 of 60``, only for parts that are affected."""
    sums: dict[str, list[int]] = {}
    for part, affected, every in counts:
        total = sums.setdefault(part, [0, 0])
        total[0] += affected
        total[1] += every
    return ", ".join(
        f"{part} {affected:,} of {every:,}" for part, (affected, every) in sums.items() if affected
    )
