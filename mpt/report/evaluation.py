"""Scores of one prompt, task by task."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.report import words
from mpt.report.findings import Findings
from mpt.report.grid import Grid
from mpt.report.tables import score_grid
from mpt.report.views import arg_json
from mpt.stats.scores import Gain, Score, best_dev


def evaluation_grid(setting: str, scores: Sequence[Score], gain: Gain | None) -> Grid:
    """Return mean test scores over seeds; with a gain, those of plain prompt tuning beside them."""
    if gain is not None:
        return score_grid(Findings(title="", gains=(gain,), scores=tuple(scores)), setting)
    tests_by_task: dict[str, list[float]] = {}
    for score in best_dev(scores):
        tests_by_task.setdefault(score.task, []).append(score.test)
    rows = tuple(
        (task, words.score(sum(tests) / len(tests)), str(len(tests)))
        for task, tests in tests_by_task.items()
    )
    method = words.method_name(scores[0].method)
    return Grid(("Target task", method, "seeds"), rows, "lrr")


def evaluation_json(prompt: str, scores: Sequence[Score], gain: Gain | None) -> str:
    """Format the ARG as ``arg_json`` does, with each seed's score at its best-dev rate."""
    rows = [
        {"method": s.method, "task": s.task, "seed": s.seed, "lr": s.lr, "dev": s.dev}
        | {"test": s.test}
        for s in best_dev(scores)
    ]
    return arg_json([gain] if gain else [], prompt=prompt, scores=rows)
