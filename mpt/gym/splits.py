"""A few-shot task as data: examples, the three splits of one seed, and what a task is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

SEEDS = (13, 21, 42, 87, 100)
"""The five data seeds of CrossFit; each draws its own train and dev set, the test set is shared."""

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Example:
    """One line of a task: an input text and its acceptable answers (at least one)."""

    input: str
    targets: tuple[str, ...]

    @classmethod
    def loaded(cls, text: str, answers: Iterable[str]) -> Example:
        """The example of a line as CrossFit's loader reads it, and as an answer can be written.

        The loader strips the line, then parts it at TAB: blanks before the input and behind the
        last answer are gone, and so are empty answers at the end. What a model writes is stripped
        before it is scored, so that blanks around the other answers, and empty answers among
        them, go too: no prediction could meet the former, and saying nothing would meet the latter.

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
    tunes a prompt, ``dev`` chooses it and ``test`` is looked at once.
    """

    task: str
    metric: str
    seed: int
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]

    def part(self, name: Part) -> tuple[Example, ...]:
        """The examples of ``train``, ``dev`` or ``test``."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[name]

    @cached_property
    def digest(self) -> str:
        """12 hex digits over the metric and every example: equal data, equal digest."""
        seen = sha256(f"{self.task}\x1f{self.metric}\x1f{self.seed}".encode())
        for line in self._lines():
            seen.update(line.encode("utf-8", "surrogatepass"))
        return seen.hexdigest()[:12]

    def _lines(self) -> Iterator[str]:
        for name in PARTS:
            yield f"\x1e{name}"
            for example in self.part(name):
                yield "\x1e" + "\x1f".join((example.input, *example.targets))


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What a task is, whatever its rows come from.

    Attributes:
        task: the name, e.g. ``glue-mrpc``.
        family: ``classification``, ``qa``, ``conditional_generation`` or ``other``.
        subfamily: e.g. ``sentiment``, ``nli``, ``paraphrase``, ``multiple_choice_qa``.
        kind: ``classification`` samples ``shots`` per label, ``text_to_text`` ``shots`` in all.
        shots: 16 per class or 32 per task unless the paper's question 2 is asked.
        metric: a key of ``mpt.gym.metrics.METRICS``.
    """

    task: str
    family: str
    subfamily: str
    kind: Literal["classification", "text_to_text"]
    shots: int
    metric: str
