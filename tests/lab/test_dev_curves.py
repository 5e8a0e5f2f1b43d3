"""Dev scores of a trial's validation as curves: per task, and their mean."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from mpt.lab.tracked.curves import dev_curves
from mpt.store.results import CellResult


def cell(task: str, evals: tuple[tuple[int, float], ...], method: str = "maml") -> Any:
    result = CellResult.model_construct(dev_evals=evals, numerics=None)
    unit = SimpleNamespace(result=result, curve=(0.0,) * 4, seconds=1.0, created=datetime.now(UTC))
    return SimpleNamespace(
        unit=unit,
        cell=SimpleNamespace(task=task),
        eval_target=SimpleNamespace(method=method),
    )


def test_the_mean_is_over_the_tasks_where_all_are_evaluated():
    points = dev_curves(
        [
            cell("a", ((2, 0.2), (4, 0.4))),
            cell("a", ((2, 0.4), (4, 0.6))),
            cell("b", ((2, 0.9),)),
            cell("c", ((2, 0.0),), method="PT"),
        ]
    )
    values = {(point.name, point.step): point.value for point in points}
    assert values == {
        ("dev/a", 2): pytest.approx(0.3),
        ("dev/a", 4): pytest.approx(0.5),
        ("dev/b", 2): pytest.approx(0.9),
        ("dev/mean", 2): pytest.approx(0.6),
    }
    assert all(point.time_ms for point in points)
