"""Checks of the ledger's rows: their form, their digest and the range of their numbers."""

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
    """Raise the ``StoreError`` for a row that cannot be used."""
    raise StoreError(
        f"the ledger's row of {digest} is damaged ({fault})",
        fix=(
            f"`mpt studies forget {digest}` forgets "
            "it, so that the command that computed it computes it again"
        ),
    )


def read_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the fields of a unit from a row; times stay as the database returns them.

    Raises:
        StoreError: a field is not of the form that mpt writes.
    """
    digest, fields = row["digest"], dict(row)
    for name in ("config", "result"):
        try:
            fields[name] = json.loads(row[name])
        except (ValueError, TypeError, RecursionError):
            damaged(digest, f"{name} is not JSON")
        if not isinstance(fields[name], dict):
            damaged(digest, f"{name} is not a JSON object")
    for name, value, allowed in (
        ("kind", row["kind"], KINDS),
        ("state", row["state"], get_args(State)),
    ):
        if value not in allowed:
            damaged(digest, f"{name} is {value!r}, not one of {', '.join(allowed)}")
    if row["artefact"] is not None and not isinstance(row["artefact"], str):
        damaged(digest, "artefact is not a text")
    if not _is_number(row["seconds"]) or row["seconds"] < 0:
        damaged(digest, f"seconds is {row['seconds']!r}")
    if not isinstance(row["created"], datetime):
        damaged(digest, "created is not a time")
    return fields


def expect_sound(units: Iterable[Unit], metric_of: Callable[[str], str] | None = None) -> None:
    """Raise ``StoreError`` for the first unit that does not match its digest or whose result is
    impossible.

    Args:
        units: of the ledger.
        metric_of: returns the metric of a task, so that scores are checked against its range.
    """
    for unit in units:
        if fault := fault_of(unit, metric_of):
            damaged(unit.digest, fault)


def fault_of(unit: Unit, metric_of: Callable[[str], str] | None = None) -> str:
    """Return what is wrong with a unit of the ledger; empty if nothing is."""
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
    """Return the configuration of a unit. Raises ``StoreError`` if it is damaged."""
    if isinstance(unit.config, DamagedConfig):
        damaged(unit.digest, unit.config.fault)
    return unit.config


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
