"""Whether a row of the ledger can be what mpt wrote: its form, its identity and its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any, NoReturn, get_args

from mpt.config import RunConfig, UnitConfig
from mpt.errors import StoreError
from mpt.gym.metrics import is_possible, limits
from mpt.store.results import CellResult, DamagedResult
from mpt.store.unit import KINDS, DamagedConfig, State, Unit


def damaged(digest: object, fault: str) -> NoReturn:
    """Raise the ``StoreError`` of a row that cannot be used."""
    raise StoreError(
        f"the ledger's row of {digest} is damaged ({fault}); `mpt studies forget {digest}` forgets "
        "it, so that the command that computed it computes it again"
    )


def read_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a unit in a row, its JSON read, times still as the database has them.

    Raises:
        StoreError: a field is not of the form that mpt writes.
    """
    digest, found = row["digest"], dict(row)
    for name in ("config", "result"):
        try:
            found[name] = json.loads(row[name])
        except (ValueError, TypeError, RecursionError):
            damaged(digest, f"{name} is not JSON")
        if not isinstance(found[name], dict):
            damaged(digest, f"{name} is no JSON object")
    for name, value, known in (
        ("kind", row["kind"], KINDS),
        ("state", row["state"], get_args(State)),
    ):
        if value not in known:
            damaged(digest, f"{name} is {value!r}, not one of {', '.join(known)}")
    if row["artefact"] is not None and not isinstance(row["artefact"], str):
        damaged(digest, "artefact is no text")
    if not _is_number(row["seconds"]) or row["seconds"] < 0:
        damaged(digest, f"seconds is {row['seconds']!r}")
    if not isinstance(row["created"], datetime):
        damaged(digest, "created is no time")
    return found


def expect_sound(units: Iterable[Unit], metric_of: Callable[[str], str] | None = None) -> None:
    """Raise ``StoreError`` at the first unit that is not what its digest says, or whose result
    holds what no computation gives.

    Args:
        units: of the ledger.
        metric_of: the metric of a task, so that scores are held to its range.
    """
    for unit in units:
        if fault := fault_of(unit, metric_of):
            damaged(unit.digest, fault)


def fault_of(unit: Unit, metric_of: Callable[[str], str] | None = None) -> str:
    """What is wrong with a unit of the ledger, or nothing."""
    config = unit.config
    if isinstance(config, DamagedConfig):
        return config.fault
    match unit.result:
        case DamagedResult(fault=fault):
            return fault
        case CellResult(dev=dev, test=test) if metric_of and not isinstance(config, RunConfig):
            metric = metric_of(config.task)
            low, high = limits(metric)
            for name, score in (("dev", dev), ("test", test)):
                if not is_possible(metric, score):
                    return f"result.{name} is {score}, and {metric} is from {low:g} to {high:g}"
    return ""


def config_of(unit: Unit) -> UnitConfig:
    """Return what a unit of the ledger computed. Raises ``StoreError`` where nobody can tell."""
    if isinstance(unit.config, DamagedConfig):
        damaged(unit.digest, unit.config.fault)
    return unit.config


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
