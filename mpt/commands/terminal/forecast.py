"""`--dry-run --shape`: what a command would cost a model and a GPU that are not there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mpt.commands.terminal.console import out
from mpt.commands.terminal.dry_run import print_work, size, work_json
from mpt.errors import ConfigError
from mpt.report.tables.grid import Grid, Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpt.api.forecast import DeviceProfile, Forecast

Shape = Annotated[
    str | None,
    typer.Option(
        help="With --dry-run: count for a T5 of this shape, without weights: t5-small, t5-base, "
        "t5-large, t5-xl or t5-xxl."
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--device-profile",
        help="With --shape: the GPU to plan for, such as h100-80gb (default: all that are known).",
    ),
]


def expect_dry_run(shape: str | None, profile: str | None, *, dry_run: bool) -> None:
    """Raise ``ConfigError`` where options of a forecast are given without it."""
    if shape is None and profile is not None:
        raise ConfigError("--device-profile is for a model that is not there", fix="give --shape")
    if shape is not None and not dry_run:
        raise ConfigError("--shape is for planning without weights", fix="give --dry-run too")


def print_forecast(cost: Forecast, profile: str | None, *, json: bool) -> None:
    """Print units, operations, hours, memory and disk. Raises ``UnknownName`` for a profile."""
    from mpt.api.forecast import DEVICE_PROFILES, device_profile

    profiles = list(DEVICE_PROFILES.values()) if profile is None else [device_profile(profile)]
    if json:
        out.json(_json(cost, profiles))
        return
    print_work(cost.work)
    out.line()
    weights = f"{cost.shape.parameters / 1e6:.0f} million weights"
    out.line(f"Counted for {cost.shape.name}, {weights}, {cost.precision}", "bold")
    for part in cost.parts:
        out.line(f"  {part.what}: {part.units} units, {part.flops:.2g} FLOP")
    out.sheet(Sheet(_grid(cost, profiles)))
    out.line(
        f"{size(cost.disk)} of prompts and records; {size(cost.weights)} of weights, and "
        f"{size(cost.cell)} a cell of {cost.batch} rows of the longest task"
    )


def _grid(cost: Forecast, profiles: Sequence[DeviceProfile]) -> Grid:
    from mpt.api.forecast import UTILISATIONS

    header = ("GPU", "cells that fit", *(f"hours at {100 * u:.0f} %" for u in UTILISATIONS))
    lines = [
        (
            profile.title,
            str(cost.cells_that_fit(profile)),
            *(f"{cost.hours(profile, u):,.1f}" for u in UTILISATIONS),
        )
        for profile in profiles
    ]
    return Grid(header, tuple(lines), "lrrr")


def _json(cost: Forecast, profiles: Sequence[DeviceProfile]) -> dict[str, object]:
    from mpt.api.forecast import UTILISATIONS

    return {
        "schema": 1,
        **work_json(cost.work),
        "shape": asdict(cost.shape) | {"parameters": cost.shape.parameters},
        "precision": cost.precision,
        "parts": [asdict(part) for part in cost.parts],
        "flops": cost.flops,
        "disk": cost.disk,
        "memory": {"weights": cost.weights, "cell": cost.cell},
        "devices": [
            {
                "name": profile.name,
                "cells_that_fit": cost.cells_that_fit(profile),
                "hours": {str(u): cost.hours(profile, u) for u in UTILISATIONS},
            }
            for profile in profiles
        ],
    }
