"""Tokenised splits: the rows that the engine trains on and is evaluated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mpt.config import Scoring
from mpt.gym.labels import ReadLabels, label_reader, labels_of
from mpt.gym.metrics import answer_value, check_gold, scored_answers
from mpt.gym.reach import Reach
from mpt.gym.splits import Example, FewShotSplit, Part, TaskKind
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
    preceded by the text ``before``. The ``kind`` is that of the task's card.
    """

    split: FewShotSplit
    encode: Encode
    max_input: int
    max_target: int
    cache: TokenCache | None = None
    before: str = ""
    kind: TaskKind = "text_to_text"

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

    @property
    def has_labels(self) -> bool:
        """Tell whether answers can be chosen among labels."""
        return self._read_labels is not None

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels of a classification; none of another task."""
        return labels_of(self.split) if self.kind == "classification" else ()

    def questions(
        self, part: Part, most: int | None = None, scoring: Scoring = "generation"
    ) -> Questions:
        """Return a part as questions to be answered and scored.

        Args:
            part: which one.
            most: rows to return at most. Of train and dev they are evenly spaced, as rows of a
                class may stand together; for those of test see ``FewShotSplit.test_places``.
            scoring: by ``labels``, questions have choices, if the task has labels.
        """
        tokens = {"train": self.train, "dev": self.dev, "test": self.test}[part]
        examples = self.split.part(part)
        if part == "test":
            chosen = self.split.test_places(most)
        else:
            count = len(examples) if most is None else min(most, len(examples))
            chosen = [i * len(examples) // count for i in range(count)]
        golds = tuple(examples[i].targets for i in chosen)
        choices = ()
        if scoring == "labels" and self._read_labels is not None:
            choices = self._choices([self._read_labels(examples[i]) for i in chosen])
        return Questions(tuple(tokens[i].row() for i in chosen), golds, self.split.metric, choices)

    @cached_property
    def _read_labels(self) -> ReadLabels | None:
        return label_reader(self.split, self.kind)

    def _choices(self, labels_of_row: Sequence[Sequence[str]]) -> tuple[Choices, ...]:
        distinct = list(dict.fromkeys(label for labels in labels_of_row for label in labels))
        encoded = self.encode(distinct, self.max_target, "target")
        ids = dict(zip(distinct, encoded, strict=True))
        return tuple(
            Choices(tuple(labels), tuple(ids[label] for label in labels))
            for labels in labels_of_row
        )

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
class Choices:
    """The labels of one row: their texts, and their token ids as targets."""

    texts: tuple[str, ...]
    ids: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Questions:
    """Inputs to answer, their acceptable answers, and the metric to score them by.

    ``rows`` carry the first gold answer, so that one teacher-forced pass can recognise it. With
    ``choices``, one of each row, the answer is chosen among them; without, it is generated.
    """

    rows: tuple[TokenRow, ...]
    golds: tuple[tuple[str, ...], ...]
    metric: str
    choices: tuple[Choices, ...] = ()

    @property
    def scoring(self) -> Scoring:
        """Return how the questions are answered."""
        return "labels" if self.choices else "generation"


def _answers(examples: Sequence[Example]) -> list[str]:
    return [target for example in examples for target in example.targets]
