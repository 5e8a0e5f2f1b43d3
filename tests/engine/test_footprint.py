"""Memory is foreseen to a tenth, counted on a GPU that is not there, whatever the rows' padding."""

from __future__ import annotations

import pytest
import torch
from ghosts import GHOST, haunted, on_ghost
from tiers import few_fast
from tiny import TINY

from mpt.backbone.batch import collate
from mpt.engine import passes
from mpt.engine.evaluate import answer, evaluate
from mpt.engine.footprint import footprint, peak_of
from mpt.engine.memory import USABLE
from mpt.engine.plan import _graph, _largest
from mpt.engine.step import pieces_of
from mpt.gym.tokens import Choices, Questions, TokenRow
from mpt.methods import method
from mpt.methods.inner import slope
from mpt.seeding import stream

CALM = {"t5": {"spread": 1.0}}
"""Options of tiny models that do not multiply rounding errors."""

PATTERNS = ("equal", "one long", "ragged", "crossed", "short")
"""How long the inputs and the targets of rows are."""


def rows_of(pattern, count, *seed):
    draws = stream("padding", pattern, *seed)
    lengths = {
        "equal": lambda i: (20, 4),
        "one long": lambda i: (30 if i == count // 2 else 6, 2),
        "ragged": lambda i: (int(draws.integers(3, 31)), int(draws.integers(1, 9))),
        "crossed": lambda i: (30, 1) if i % 2 else (4, 12),
        "short": lambda i: (1, 1),
    }[pattern]

    def row(inputs, outputs):
        return TokenRow(draws.integers(4, 20, inputs), draws.integers(4, 20, outputs))

    return [row(*lengths(i)) for i in range(count)]


def expect_foreseen(work, foreseen):
    peak = peak_of(work, GHOST)
    assert 0.9 <= foreseen / peak <= 1.1


LAYOUTS = [*((pattern, 3, 4) for pattern in PATTERNS), ("ragged", 1, 24), ("short", 1, 24)]


SECOND_ORDER = ("t5", "gpt2")
"""One whose rows share their prompt, and one whose rows do not."""


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "runs", "rows"), LAYOUTS)
@pytest.mark.parametrize("kind", TINY)
def test_a_step_takes_what_is_foreseen(ghost_cuda, kind, pattern, runs, rows):
    with ghost_cuda.Ghost():
        backbone = haunted(kind, torch.bfloat16 if rows == 4 else torch.float32)
        prompts = [backbone.vocabulary_prompt(5, run) for run in range(runs)]
        theta = torch.stack(prompts).float().to(GHOST).requires_grad_()
        *support, query = (
            collate([rows_of(pattern, rows, n, run) for run in range(runs)]) for n in range(3)
        )
        expect_foreseen(
            lambda: slope(theta, pieces_of(query, 1000, backbone), backbone.losses),
            footprint(backbone, theta, query, twice=False).peak.of(len(query)),
        )
        if kind not in SECOND_ORDER:
            return
        maml, alpha = method("maml"), theta.new_full((runs, 1, 1), 0.01)
        for engine, foreseen in (
            ("graph", _graph(backbone, theta, [*support, query]).of(1)),
            ("recursion", _largest(backbone, theta, [*support, query], 2).of(len(query))),
        ):
            expect_foreseen(
                lambda engine=engine: maml.by(engine)(
                    theta,
                    [pieces_of(batch, 1000, backbone) for batch in support],
                    pieces_of(query, 1000, backbone),
                    backbone.losses_twice_differentiable,
                    alpha,
                ),
                foreseen,
            )


@pytest.mark.parametrize("recomputed", [True, False])
@pytest.mark.parametrize("pattern", ["ragged", "equal"])
@pytest.mark.parametrize("kind", few_fast(TINY, "t5"))
def test_a_gradient_of_all_weights_takes_what_is_foreseen(ghost_cuda, kind, pattern, recomputed):
    with ghost_cuda.Ghost():
        model = on_ghost(haunted(kind).trainable_copy())
        model.recomputation.on = recomputed
        weights, batch = model.trainable_weights, collate([rows_of(pattern, 24)])
        theta = model.vocabulary_prompt(1)[None, :0]

        foreseen = footprint(model, theta, batch, twice=False, weights=tuple(weights.values())).peak

        def gradient():
            for piece in pieces_of(batch, 1000, model):
                model.losses(theta, piece).sum().backward()

        expect_foreseen(gradient, foreseen.of(24))


def questions_of(backbone, count, labels):
    rows = rows_of("ragged", count)
    rows = [TokenRow(row.input, row.target[:4]) for row in rows]
    golds = tuple(("yes",) for _ in rows)
    choices = ()
    if labels:
        texts = ("yes", "no", "good dog")
        ids = tuple(backbone.encode(texts, 4, "target"))
        choices = tuple(Choices(texts, ids) for _ in rows)
    return Questions(tuple(rows), golds, "ACC", choices)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("kind", few_fast(TINY, "t5"))
def test_answering_takes_what_is_foreseen(ghost_cuda, monkeypatch, kind, beams):
    monkeypatch.setitem(passes.TOKENS_PER_PASS, "cuda", 1)
    with ghost_cuda.Ghost():
        backbone = haunted(kind)
        theta = torch.stack([backbone.vocabulary_prompt(5, n) for n in range(2)]).to(GHOST)
        rows = [questions_of(backbone, 30, labels=False).rows] * 2
        peaks = []

        def noted(prompts, batch, limit, beams=1, *, whole=False):
            if len(batch) == 60:
                peaks.append(
                    peak_of(lambda: write(prompts, batch, limit, beams, whole=True), GHOST)
                )
            return write(prompts, batch, limit, beams, whole=whole)

        write = backbone.generate
        monkeypatch.setattr(backbone, "generate", noted)
        answer(backbone, theta, rows, limit=6, beams=beams, needs_generation=lambda *_: True)
        (line,) = passes._lines[backbone].values()
        if peaks:
            assert 0.9 <= line.of(60) / max(peaks) <= 1.1


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("kind", few_fast(TINY, "t5"))
def test_a_gpu_reads_as_much_at_once_as_it_has_room_for(ghost_cuda, monkeypatch, kind, labels):
    monkeypatch.setitem(passes.TOKENS_PER_PASS, "cuda", 100)
    here = TINY[kind](0, **CALM.get(kind, {}))
    theta = torch.stack([here.vocabulary_prompt(5, n) for n in range(2)])
    expected = evaluate(here, theta, [questions_of(here, 30, labels)] * 2, limit=6)
    passed = []
    with ghost_cuda.Ghost() as ghost:
        there = haunted(kind, torch.float64, **CALM.get(kind, {}))
        questions = [questions_of(there, 30, labels)] * 2
        for name in ("log_likelihoods", "teacher_forced_argmax"):
            read = getattr(there, name)

            def noted(theta, batch, *rest, read=read):
                passed.append(len(batch))
                return read(theta, batch, *rest)

            monkeypatch.setattr(there, name, noted)
        assert evaluate(there, theta.to(GHOST), questions, limit=6) == expected
        assert max(passed) == 60
        passed.clear()
        line = max(passes._lines[there].values(), key=lambda one: one.row)
        ghost.prune()
        ghost.capacity = ghost.live + line.of(20) / USABLE
        assert evaluate(there, theta.to(GHOST), questions, limit=6) == expected
        assert there not in passes._fitting, "nothing was too much"
        assert 5 <= max(passed) <= 20
