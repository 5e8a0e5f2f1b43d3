"""How the cells behind a table were answered: by generation, or by the likeliest label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpt.lab.run import EvaluatedCell
from mpt.store.results import CellResult

Scored = Mapping[str, tuple[str, ...]]
"""Tasks by how they were scored, ``labels`` or ``generation``."""

_MEANING = {"labels": "labels (the likeliest one)", "generation": "generation"}


def scored_by(cells: Iterable[EvaluatedCell]) -> Scored:
    """Return the tasks of cells that have a score, by how they were answered."""
    tasks: dict[str, dict[str, None]] = {}
    for one in cells:
        if isinstance(one.unit.result, CellResult):
            tasks.setdefault(one.unit.result.scoring, {})[one.cell.task] = None
    return {scoring: tuple(tasks[scoring]) for scoring in sorted(tasks, reverse=True)}


def merged_scoring(parts: Iterable[Scored]) -> Scored:
    """Return the tasks of several tables."""
    every: dict[str, dict[str, None]] = {}
    for part in parts:
        for scoring, tasks in part.items():
            every.setdefault(scoring, {}).update(dict.fromkeys(tasks))
    return {scoring: tuple(tasks) for scoring, tasks in every.items()}


def scoring_words(scored: Scored) -> str:
    """Say how tasks were scored; those without labels are named. Empty if nothing is known."""
    if len(scored) < 2:
        return "".join(_MEANING[scoring] for scoring in scored)
    free = ", ".join(scored["generation"])
    return f"{_MEANING['labels']}; generation for {free}, whose answers are free"


def scoring_notes(scored: Scored) -> tuple[str, ...]:
    """Return the line below a table; none where answers were generated, as they are by default."""
    return (f"Scored by {scoring_words(scored)}.",) if "labels" in scored else ()
