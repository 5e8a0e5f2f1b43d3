"""A few-shot task as data: examples, the three splits of one seed, and what a task is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

from mpt.seeding import stream

SEEDS = (13, 21, 42, 87, 100)
"""The five data seeds of CrossFit; each draws a train and a dev set, the test set is shared."""

TaskKind = Literal["classification", "text_to_text"]

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Example:
    """One line of a task: an input text and its acceptable answers (at least one)."""

    input: str
    targets: tuple[str, ...]

    @classmethod
    def loaded(cls, text: str, answers: Iterable[str]) -> Example:
        """Make the example of a line as CrossFit's loader reads it.

        The loader strips the line, then splits it at TABs: blanks before the input and after the
        last answer are dropped, and so are empty answers at the end. Predictions are stripped
        before they are scored, so blanks around the other answers and empty answers among them are
        dropped too: no prediction could match the former, and an empty one would match the latter.

        Raises:
            ValueError: nothing is left of the input, or of the answers.
        """
        text = text.lstrip()
        targets = tuple(stripped for answer in answers if (stripped := answer.strip()))
        if not text or not targets:
            raise ValueError(f"the {'answer' if text else 'input'} is empty")
        return cls(text, targets)


@dataclass(frozen=True)
class FewShotSplit:
    """The examples of one task under one seed.

    ``train`` is the support side and ``dev`` the query side of an episode; downstream, ``train``
    tunes a prompt, ``dev`` selects it and ``test`` is evaluated once.
    """

    task: str
    metric: str
    seed: int
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]

    def part(self, name: Part) -> tuple[Example, ...]:
        """Return the examples of ``train``, ``dev`` or ``test``."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[name]

    def test_places(self, most: int | None = None) -> list[int]:
        """Return the numbers of the test rows to score, ascending: all, or ``most`` at random.

        The draw depends on the task's name and the size of its test set alone, so that every
        method, prompt and data seed is scored on the same rows. A smaller draw is part of a larger.
        """
        count = len(self.test)
        if most is None or most >= count:
            return list(range(count))
        order = stream("test rows", self.task).permutation(count)
        return sorted(order[:most].tolist())

    @cached_property
    def digest(self) -> str:
        """Return 12 hex digits over the metric and every example: equal data, equal digest."""
        digest = sha256(f"{self.task}\x1f{self.metric}\x1f{self.seed}".encode())
        for line in self._lines():
            digest.update(line.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]

    def _lines(self) -> Iterator[str]:
        for name in PARTS:
            yield f"\x1e{name}"
            for example in self.part(name):
                yield "\x1e" + "\x1f".join((example.input, *example.targets))


@dataclass(frozen=True, slots=True)
class TaskCard:
    """A task apart from its rows: name, family, number of shots, metric.

    Attributes:
        task: the name, e.g. ``glue-mrpc``.
        family: ``classification``, ``qa``, ``conditional_generation`` or ``other``.
        subfamily: e.g. ``sentiment``, ``nli``, ``paraphrase``, ``multiple_choice_qa``.
        kind: ``classification`` samples ``shots`` per label, ``text_to_text`` ``shots`` in total.
        shots: 16 per class or 32 per task, unless the number of shots is varied as in the paper's
            question 2.
        metric: a key of ``mpt.gym.metrics.METRICS``.
    """

    task: str
    family: str
    subfamily: str
    kind: TaskKind
    shots: int
    metric: str
