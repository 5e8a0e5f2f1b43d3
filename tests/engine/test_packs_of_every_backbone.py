"""R packed cells are R cells alone, for every backbone, prompt place, optimiser and raggedness."""

from __future__ import annotations

import pytest
import torch
from crossed import crossed
from tiny import TINY, WORDS

from mpt.config import BackboneConfig, CellConfig, OptimiserName, Tuning
from mpt.engine.pack import CellJob
from mpt.engine.tune import Tuned, tune
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.tokens import TokenSplit
from mpt.seeding import stream

RATES = {"adafactor": 0.5, "adamw": 0.1, "sgd": 1.0}
LENGTHS = {"alike": ((4, 5), (4, 5), (4, 5)), "ragged": ((1, 3), (9, 12), (1, 12))}


def examples(low: int, high: int, name: str) -> list[Example]:
    draws = stream("examples", name)
    texts = [" ".join(draws.choice(WORDS, draws.integers(low, high))) for _ in range(6)]
    return [
        Example(text, (" ".join(draws.choice(WORDS, 1 + i % 3)),)) for i, text in enumerate(texts)
    ]


CASES = crossed(
    TINY,
    ("before", "after"),
    RATES,
    LENGTHS,
    # each optimiser meets every backbone, place and raggedness, though not all of them at once
    fast=[
        (kind, place, tuple(RATES)[(k + p + r) % len(RATES)], lengths)
        for k, kind in enumerate(TINY)
        for p, place in enumerate(("before", "after"))
        for r, lengths in enumerate(LENGTHS)
    ],
)


@pytest.mark.parametrize(("kind", "place", "optimiser", "lengths"), CASES)
def test_cells_together_are_cells_alone(kind, place, optimiser: OptimiserName, lengths):
    calm = {"spread": 1.0} if kind == "t5" else {}  # else six steps amplify rounding a millionfold
    backbone = TINY[kind](place=place, **calm)
    chosen = BackboneConfig(name=kind, prompt_tokens=3, max_input=12, max_target=4)
    jobs = []
    for run, (low, high) in enumerate(LENGTHS[lengths]):
        rows = examples(low, high, f"{lengths} {run}")
        few = FewShotSplit(
            f"task {run}", "ACC", 13, tuple(rows[:4]), tuple(rows[3:]), tuple(rows[4:])
        )
        config = CellConfig(
            backbone=chosen,
            weights=backbone.weights,
            task=few.task,
            data_seed=13,
            data="x",
            start="vocabulary",
            lr=RATES[optimiser] / (run + 1),
            tuning=Tuning(optimiser=optimiser, steps=6, batch=2, num_evals=2),
        )
        start = backbone.vocabulary_prompt(3, "cell", run)
        jobs.append(CellJob(config, TokenSplit(few, backbone.encode, 12, 4), start))
    together = tune(jobs, backbone)
    for job, packed in zip(jobs, together, strict=True):
        (alone,) = tune([job], backbone)
        assert isinstance(packed, Tuned)
        assert isinstance(alone, Tuned)
        scale = alone.prompt.abs().max().item()
        torch.testing.assert_close(packed.prompt, alone.prompt, rtol=0, atol=1e-9 * scale)
        assert packed.curve == pytest.approx(alone.curve, abs=1e-9)
        assert (packed.dev, packed.test, packed.best_step) == (
            alone.dev,
            alone.test,
            alone.best_step,
        )
