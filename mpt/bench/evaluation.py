"""`mpt bench eval`: evaluation by teacher forcing against generating every answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpt.backbone.batch import collate
from mpt.bench.rows import prompts, random_rows
from mpt.bench.shapes import BenchModel, make
from mpt.bench.stock import generate
from mpt.bench.timing import Measure, alternate
from mpt.engine.evaluate import evaluate
from mpt.gym.metrics import score
from mpt.gym.tokens import Questions, TokenRow
from mpt.seeding import stream

ROWS, WRONG = 64, 0.3


def evaluation(name: str, device: str, *, targets: Sequence[int], pairs: int) -> Iterator[Measure]:
    """Time the evaluation of one run on ``ROWS`` questions, for answers of each length.

    A share ``WRONG`` of the gold answers differs from what the model generates.
    """
    model = make(name, device)
    for length in targets:
        yield from _of_length(model, length, pairs)


def _of_length(model: BenchModel, length: int, pairs: int) -> Iterator[Measure]:
    theta = prompts(model, 1)
    questions = _questions(model, length)
    golds = [list(gold) for gold in questions.golds]
    batch = collate([questions.rows]).to(model.ours.device)

    def ours() -> float:
        return evaluate(model.ours, theta, [questions], limit=length)[0]

    def theirs() -> float:
        return score("ACC", generate(model, theta, batch, length), golds)

    def static() -> float:
        return score("ACC", generate(model, theta, batch, length, "static"), golds)

    assert ours() == theirs() == static(), "the ways to score disagree"
    what = f"answers of {length} tokens, accuracy {ours():.2f}"
    peers = {"HF generate": theirs, "HF generate, static cache": static}
    yield from alternate(what, ours, peers, model.ours.device, pairs=pairs)


def _questions(model: BenchModel, length: int) -> Questions:
    """Make questions whose gold answers are the model's own, some with one token changed."""
    rows = random_rows(model, ROWS, length, "eval")
    theta = prompts(model, 1)
    draws = stream("bench golds", model.name, length)
    # token by token, because each token depends on those before it
    for place in range(length):
        batch = collate([rows]).to(model.ours.device)
        argmaxes = model.ours.teacher_forced_argmax(theta, batch).cpu().numpy()
        for row, ids in zip(rows, argmaxes, strict=True):
            row.target[place] = ids[place]
    changed = []
    for row in rows:
        ends = (row.target == 1).nonzero()[0]
        target = row.target[: int(ends[0]) + 1] if len(ends) else row.target
        words = (target > 4).nonzero()[0]  # special tokens stay, so that the answer keeps its end
        if len(words) and draws.random() < WRONG:
            place = int(draws.choice(words))
            target[place] = 5 + (target[place] + 7) % 900
        changed.append(TokenRow(row.input, target))
    golds = model.ours.decode([row.target for row in changed])
    return Questions(tuple(changed), tuple((gold,) for gold in golds), "ACC")
