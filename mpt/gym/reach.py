"""What of a task's rows a backbone can read and write, counted before anything is trained on them:
inputs that are cut, and answers that no decoding can write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mpt.errors import DataError
from mpt.gym.splits import Part

CURE = (
    "a larger `max_input` or `max_target` under `backbone` in the study file reads or writes more "
    "of them, as do shorter rows; `mpt gym show TASK --gym FOLDER` counts them"
)

MOST = 5
"""Tasks that get a line of their own."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One part of a task under one data seed, as a backbone reads and writes it.

    Attributes:
        inputs, cut: how many there are, and how many are longer than ``max_input`` tokens.
        answers: gold answers that the metric compares with.
        lost: those that come back from ``max_target`` tokens as something worth less.
        worthless: those that come back as something worth nothing.
        shown: one that is lost, and what it comes back as.
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
        """Whether every input is read whole and every answer can be written."""
        return not self.cut and not self.lost

    @property
    def example(self) -> str:
        """``e.g. 'gold' comes back as 'written'``; empty where all can be written."""
        if self.shown is None:
            return ""
        cut = (t if len(t) <= 50 else f"{t[:20]} ... {t[-25:]}" for t in self.shown)
        return "e.g. {!r} comes back as {!r}".format(*cut)

    def refuse_hopeless(self) -> None:
        """Raise ``DataError`` for a dev or test part on which every score would be 0."""
        if self.part != "train" and self.worthless == self.answers:
            raise DataError(
                f"{self.task}: none of its {self.answers} {self.part} answers can be written with "
                f"max_target {self.max_target} ({self.example}), so that every score would be 0; "
                "give the backbone a larger max_target or take another one, mend the answers, "
                "or leave the task out"
            )


def reach_lines(found: Iterable[Reach]) -> tuple[str, ...]:
    """A line for each task with cut inputs or lost answers, the worst first; a sum of the others.

    Counts are over all parts and data seeds.
    """
    by_task: dict[str, list[Reach]] = {}
    for one in found:
        by_task.setdefault(one.task, []).append(one)
    parts = sorted((p for p in by_task.values() if not all(r.is_whole for r in p)), key=_place)
    lines = [f"{own[0].task}: {'; '.join(_faults(own))}" for own in parts[:MOST]]
    if rest := [one for own in parts[MOST:] for one in own]:
        lines.append(f"{len(parts) - MOST} more tasks: {'; '.join(_faults(rest))}")
    return tuple(lines)


def reach_sum(found: Sequence[Reach]) -> str:
    """How many tasks have cut inputs or lost answers, and how many of them."""
    tasks = {one.task for one in found if not one.is_whole}
    return f"{len(tasks)} of {len({one.task for one in found})} tasks: {'; '.join(_faults(found))}"


def _place(own: Sequence[Reach]) -> tuple[float, float, str]:
    lost, cut = (sum(getattr(one, name) for one in own) for name in ("lost", "cut"))
    answers, inputs = (sum(getattr(one, name) for one in own) for name in ("answers", "inputs"))
    return -lost / max(answers, 1), -cut / max(inputs, 1), own[0].task


def _faults(own: Sequence[Reach]) -> Iterator[str]:
    first, example = own[0], next((one.example for one in own if one.shown), "")
    if lost := _counts((one.part, one.lost, one.answers) for one in own):
        yield f"{lost} answers cannot be written within max_target {first.max_target} ({example})"
    if cut := _counts((one.part, one.cut, one.inputs) for one in own):
        yield f"{cut} inputs are cut at max_input {first.max_input}"


def _counts(counts: Iterable[tuple[str, int, int]]) -> str:
    """``train 3 of 32, test 4 of 60``, the parts at fault alone."""
    sums: dict[str, list[int]] = {}
    for part, some, every in counts:
        have = sums.setdefault(part, [0, 0])
        have[0] += some
        have[1] += every
    return ", ".join(
        f"{part} {some:,} of {every:,}" for part, (some, every) in sums.items() if some
    )
