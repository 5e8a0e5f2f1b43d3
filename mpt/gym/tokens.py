"""Tokenised splits: the rows that the engine trains on and is evaluated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mpt.gym.metrics import answer_value, check_gold, scored_answers
from mpt.gym.reach import Reach
from mpt.gym.splits import Example, FewShotSplit, Part
from mpt.gym.token_cache import Texts, TokenCache

Role = Literal["input", "target"]
Encode = Callable[[Sequence[str], int, Role], list[np.ndarray]]
"""``encode(texts, limit, role)``: token ids of each text, at most ``limit``."""
Decode = Callable[[Sequence[np.ndarray]], list[str]]
"""``decode(ids)``: texts of token ids, specials skipped, stripped."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One input with one target; the target ends with the end-of-sequence id."""

    input: np.ndarray
    target: np.ndarray

    @property
    def length(self) -> int:
        """Return the number of input and target tokens together, by which rows are bucketed."""
        return len(self.input) + len(self.target)


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One input with all its acceptable answers."""

    input: np.ndarray
    targets: tuple[np.ndarray, ...]

    def row(self, answer: int = 0) -> TokenRow:
        """Return the input with one of its answers."""
        return TokenRow(self.input, self.targets[answer])


@dataclass(frozen=True)
class TokenSplit:
    """A ``FewShotSplit`` as token ids; each part is tokenised on first use.

    With a ``cache``, the ids are stored and the next process maps them from disk. Every input is
    preceded by the text ``before``.
    """

    split: FewShotSplit
    encode: Encode
    max_input: int
    max_target: int
    cache: TokenCache | None = None
    before: str = ""

    @cached_property
    def train(self) -> tuple[TokenExample, ...]:
        """Return the tokenised training examples."""
        return self._tokenised("train")

    @cached_property
    def dev(self) -> tuple[TokenExample, ...]:
        """Return the tokenised dev examples."""
        return self._tokenised("dev")

    @cached_property
    def test(self) -> tuple[TokenExample, ...]:
        """Return the tokenised test examples."""
        return self._tokenised("test")

    def questions(self, part: Part, most: int | None = None) -> Questions:
        """Return a part as questions to be answered and scored.

        Args:
            part: which one.
            most: rows to return at most. Of train and dev they are evenly spaced, as rows of a
                class may stand together; for those of test see ``FewShotSplit.test_places``.
        """
        tokens = {"train": self.train, "dev": self.dev, "test": self.test}[part]
        examples = self.split.part(part)
        if part == "test":
            chosen = self.split.test_places(most)
        else:
            count = len(examples) if most is None else min(most, len(examples))
            chosen = [i * len(examples) // count for i in range(count)]
        golds = tuple(examples[i].targets for i in chosen)
        return Questions(tuple(tokens[i].row() for i in chosen), golds, self.split.metric)

    def reach(self, part: Part, decode: Decode) -> Reach:
        """Count the inputs of a part that are truncated and the answers that cannot be written.

        The counts are read from the cache if there is one.

        Raises:
            DataError: a gold answer that the metric cannot score against.
        """
        examples, metric = self.split.part(part), self.split.metric
        check_gold(metric, [example.targets for example in examples])
        golds = [scored_answers(metric, example.targets) for example in examples]
        answers = list(dict.fromkeys(answer for row in golds for answer in row))
        inputs = [self.before + example.input for example in examples]
        limits = ([metric, part], 0), (inputs, self.max_input), (answers, self.max_target)
        key = self.cache.key(*limits) if self.cache else ""
        indices = self.cache.read(key) if self.cache else None
        if indices is None:
            decoded = decode(self.encode(answers, self.max_target, "target"))
            values = [answer_value(metric, *pair) for pair in zip(decoded, answers, strict=True)]
            lost = [at for at, value in enumerate(values) if value < 1]
            zeros = [at for at, value in enumerate(values) if value == 0]
            indices = [np.array(rows) for rows in (self._cut(part, inputs), lost, zeros)]
            if self.cache:
                self.cache.write(key, indices)
        cut, lost, zeros = (rows.tolist() for rows in indices)
        example = None
        if lost:
            gold = answers[lost[0]]
            example = gold, decode(self.encode([gold], self.max_target, "target"))[0]
        count = Counter(answer for row in golds for answer in row)
        return Reach(
            self.split.task,
            part,
            len(inputs),
            len(cut),
            count.total(),
            sum(count[answers[at]] for at in lost),
            sum(count[answers[at]] for at in zeros),
            self.max_input,
            self.max_target,
            example,
        )

    def _cut(self, part: Part, inputs: Sequence[str]) -> list[int]:
        """Return the numbers of the inputs that have more tokens than are kept."""
        tokens = {"train": self.train, "dev": self.dev, "test": self.test}[part]
        # an input that fills the limit may end there or be cut: only these are encoded again
        full = [at for at, example in enumerate(tokens) if len(example.input) >= self.max_input]
        longer = self.encode([inputs[at] for at in full], self.max_input + 1, "input")
        return [at for at, ids in zip(full, longer, strict=True) if len(ids) > self.max_input]

    def _tokenised(self, part: Part) -> tuple[TokenExample, ...]:
        examples = self.split.part(part)
        inputs = [self.before + example.input for example in examples]
        ids = iter(self._ids((inputs, self.max_input), (_answers(examples), self.max_target)))
        questions = [next(ids) for _ in examples]
        return tuple(
            TokenExample(question, tuple(next(ids) for _ in example.targets))
            for question, example in zip(questions, examples, strict=True)
        )

    def _ids(self, inputs: Texts, targets: Texts) -> list[np.ndarray]:
        """Return the ids of every input, then of every target, from the cache if it holds them."""
        key = self.cache.key(inputs, targets) if self.cache else ""
        ids = self.cache.read(key) if self.cache else None
        if ids is None:
            ids = [*self.encode(*inputs, "input"), *self.encode(*targets, "target")]
            if self.cache:
                self.cache.write(key, ids)
        return ids


@dataclass(frozen=True, slots=True)
class Questions:
    """Inputs to answer, their acceptable answers, and the metric to score them by.

    ``rows`` carry the first gold answer, so that one teacher-forced pass can recognise it.
    """

    rows: tuple[TokenRow, ...]
    golds: tuple[tuple[str, ...], ...]
    metric: str


def _answers(examples: Sequence[Example]) -> list[str]:
    return [target for example in examples for target in example.targets]
