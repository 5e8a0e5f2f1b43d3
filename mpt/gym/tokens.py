"""Tokenised splits: what the engine trains on and is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mpt.gym.splits import Example, FewShotSplit, Part

Encode = Callable[[Sequence[str], int], list[np.ndarray]]
"""``encode(texts, limit)``: token ids of each text, at most ``limit``, the last one ``</s>``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input with one target; both end with the end-of-sequence id."""

    input: np.ndarray
    target: np.ndarray

    @property
    def length(self) -> int:
        """Input and target tokens together, the order by which rows are bucketed."""
        return len(self.input) + len(self.target)


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One input with all its acceptable answers."""

    input: np.ndarray
    targets: tuple[np.ndarray, ...]

    def row(self, answer: int = 0) -> Row:
        """The input with one of its answers."""
        return Row(self.input, self.targets[answer])


@dataclass(frozen=True)
class TokenSplit:
    """A ``FewShotSplit`` as token ids; each part is tokenised when first asked for."""

    split: FewShotSplit
    encode: Encode
    max_input: int
    max_target: int

    @cached_property
    def train(self) -> tuple[TokenExample, ...]:
        """Tokenised training examples."""
        return self._tokenised("train")

    @cached_property
    def dev(self) -> tuple[TokenExample, ...]:
        """Tokenised dev examples."""
        return self._tokenised("dev")

    @cached_property
    def test(self) -> tuple[TokenExample, ...]:
        """Tokenised test examples."""
        return self._tokenised("test")

    def questions(self, part: Part) -> Questions:
        """A part as something to be answered and scored."""
        tokens = {"train": self.train, "dev": self.dev, "test": self.test}[part]
        golds = tuple(example.targets for example in self.split.part(part))
        return Questions(tuple(t.row() for t in tokens), golds, self.split.metric)

    def _tokenised(self, part: Part) -> tuple[TokenExample, ...]:
        examples = self.split.part(part)
        inputs = self.encode([example.input for example in examples], self.max_input)
        targets = iter(self.encode(_answers(examples), self.max_target))
        return tuple(
            TokenExample(ids, tuple(next(targets) for _ in example.targets))
            for ids, example in zip(inputs, examples, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Questions:
    """Inputs to answer, their acceptable answers, and the metric to score them by.

    ``rows`` carry the first gold answer, so that one teacher-forced pass can recognise it.
    """

    rows: tuple[Row, ...]
    golds: tuple[tuple[str, ...], ...]
    metric: str


def _answers(examples: Sequence[Example]) -> list[str]:
    return [target for example in examples for target in example.targets]
