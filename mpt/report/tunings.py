"""Dev scores of downstream cells during tuning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpt.config import CellConfig
from mpt.lab.run import EvaluatedCell, scores
from mpt.stats.convergence import DevCurve
from mpt.stats.scores import Score, best_dev
from mpt.store.results import CellResult


def dev_curves_of(evaluated: Sequence[EvaluatedCell]) -> Iterator[DevCurve]:
    """Yield the dev scores of each (setting, method, task, seed, meta-seed), at its best-dev rate.

    Only of tuned prompts: an update of full fine-tuning is not comparable with one of a prompt.
    """
    prompt_cells = [
        cell_result for cell_result in evaluated if isinstance(cell_result.cell, CellConfig)
    ]
    evals = {
        _key(score): cell_result.unit.result.dev_evals
        for cell_result in prompt_cells
        if (score := cell_result.score) is not None
        and isinstance(cell_result.unit.result, CellResult)
    }
    for score in best_dev(scores(prompt_cells)):
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
