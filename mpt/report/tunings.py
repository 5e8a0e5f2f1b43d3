"""What downstream cells showed while they were tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpt.config import CellConfig
from mpt.lab.run import Judged, scores
from mpt.stats.convergence import DevCurve
from mpt.stats.scores import Score, best_dev
from mpt.store.results import CellResult


def looks_of(judged: Sequence[Judged]) -> Iterator[DevCurve]:
    """The dev scores of every (setting, method, task, seed, meta-seed), at the rate
    that its seed chose.

    Of tuned prompts alone: an update of full fine-tuning is another thing.
    """
    prompts = [one for one in judged if isinstance(one.cell, CellConfig)]
    evals = {
        _key(score): one.unit.result.dev_evals
        for one in prompts
        if (score := one.score) is not None and isinstance(one.unit.result, CellResult)
    }
    for score in best_dev(scores(prompts)):
        steps, devs = zip(*evals[_key(score)], strict=True)
        yield DevCurve(
            setting=score.setting,
            method=score.method,
            task=score.task,
            seed=score.seed,
            steps=steps,
            devs=devs,
            meta_seed=score.meta_seed,
        )


def _key(score: Score) -> tuple[object, ...]:
    return score.setting, score.method, score.task, score.seed, score.meta_seed, score.lr
