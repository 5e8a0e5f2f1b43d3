"""Tokenised splits: what the engine trains on and is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mpt.gym.metrics import check_gold, scored_answers, worth
from mpt.gym.reach import Reach
from mpt.gym.splits import Example, FewShotSplit, Part
from mpt.gym.token_cache import Texts, TokenCache

Role = Literal["input", "target"]
Encode = Callable[[Sequence[str], int, Role], list[np.ndarray]]
"""``encode(texts, limit, role)``: token ids of each text, at most ``limit``."""
Decode = Callable[[Sequence[np.ndarray]], list[str]]
"""``decode(ids)``: texts of token ids, specials skipped, stripped."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input with one target; the target ends with the end-of-sequence id."""

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
    """A ``FewShotSplit`` as token ids; each part is tokenised when first asked for.

    With a ``cache`` it is tokenised once for all: the next start maps the ids from disk. Every
    input is read behind ``before``.
    """

    split: FewShotSplit
    encode: Encode
    max_input: int
    max_target: int
    cache: TokenCache | None = None
    before: str = ""

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

    def reach(self, part: Part, decode: Decode) -> Reach:
        """What of a part is read whole and can be written; looked at once for all, if cached.

        Raises:
            DataError: a gold answer that the metric cannot work with.
        """
        examples, metric = self.split.part(part), self.split.metric
        check_gold(metric, [example.targets for example in examples])
        golds = [scored_answers(metric, example.targets) for example in examples]
        answers = list(dict.fromkeys(answer for row in golds for answer in row))
        inputs = [self.before + example.input for example in examples]
        limits = ([metric, part], 0), (inputs, self.max_input), (answers, self.max_target)
        key = self.cache.key(*limits) if self.cache else ""
        kept = self.cache.read(key) if self.cache else None
        if kept is None:
            written = decode(self.encode(answers, self.max_target, "target"))
            values = [worth(metric, *pair) for pair in zip(written, answers, strict=True)]
            lost = [at for at, value in enumerate(values) if value < 1]
            worthless = [at for at, value in enumerate(values) if value == 0]
            kept = [np.array(found) for found in (self._cut(part, inputs), lost, worthless)]
            if self.cache:
                self.cache.write(key, kept)
        cut, lost, worthless = (found.tolist() for found in kept)
        shown = None
        if lost:
            gold = answers[lost[0]]
            shown = gold, decode(self.encode([gold], self.max_target, "target"))[0]
        count = Counter(answer for row in golds for answer in row)
        return Reach(
            self.split.task,
            part,
            len(inputs),
            len(cut),
            count.total(),
            sum(count[answers[at]] for at in lost),
            sum(count[answers[at]] for at in worthless),
            self.max_input,
            self.max_target,
            shown,
        )

    def _cut(self, part: Part, inputs: Sequence[str]) -> list[int]:
        """Which inputs have more tokens than are kept."""
        tokens = {"train": self.train, "dev": self.dev, "test": self.test}[part]
        full = [at for at, one in enumerate(tokens) if len(one.input) >= self.max_input]
        longer = self.encode([inputs[at] for at in full], self.max_input + 1, "input")
        return [at for at, ids in zip(full, longer, strict=True) if len(ids) > self.max_input]

    def _tokenised(self, part: Part) -> tuple[TokenExample, ...]:
        examples = self.split.part(part)
        inputs = [self.before + example.input for example in examples]
        ids = iter(self._ids((inputs, self.max_input), (_answers(examples), self.max_target)))
        asked = [next(ids) for _ in examples]
        return tuple(
            TokenExample(question, tuple(next(ids) for _ in example.targets))
            for question, example in zip(asked, examples, strict=True)
        )

    def _ids(self, inputs: Texts, targets: Texts) -> list[np.ndarray]:
        """Ids of every input, then of every target, from the cache if it holds them."""
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

    rows: tuple[Row, ...]
    golds: tuple[tuple[str, ...], ...]
    metric: str


def _answers(examples: Sequence[Example]) -> list[str]:
    return [target for example in examples for target in example.targets]
