"""Types of a study's keys: lists without repetition, ranges, data seeds, names."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, StrictInt, Tag, model_validator

from mpt.config import Count, MethodName, Rate
from mpt.gym.splits import SEEDS
from mpt.schema import Frozen

Value = TypeVar("Value")


def _distinct(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if not values:
        raise ValueError("give at least one value, or leave the key out")
    if twice := [str(value) for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"repeated: {', '.join(twice)}; name each value once")
    return values


def _with_plain(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("PT", *(name for name in names if name != "PT"))


def _named(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(
            "a name must consist of letters, digits, '.', '_' and '-', a letter or digit first"
        )
    return name


def _sown(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if odd := [str(seed) for seed in seeds if seed not in SEEDS]:
        raise ValueError(
            f"there are no rows for {', '.join(odd)}; choose data seeds from "
            f"{', '.join(map(str, SEEDS))}"
        )
    return seeds


Title = Annotated[str, AfterValidator(_named)]
"""A study's name, used in file names and in MLflow's names and filters."""

Names = Annotated[tuple[str, ...], AfterValidator(_distinct)]
RateList = Annotated[tuple[Rate, ...], AfterValidator(_distinct)]
MethodNames = Annotated[tuple[MethodName, ...], AfterValidator(_distinct)]
Baselines = Annotated[
    tuple[Literal["PT", "FT"], ...], AfterValidator(_distinct), AfterValidator(_with_plain)
]
"""Plain prompt tuning, always included as gains are relative to it, and full fine-tuning."""

Counts = Annotated[tuple[Count, ...], AfterValidator(_distinct)]
MetaSeeds = Annotated[tuple[Annotated[StrictInt, Field(ge=0)], ...], AfterValidator(_distinct)]
"""Seeds of meta-trainings, as offsets from the study's seed."""

Seeds = Annotated[tuple[StrictInt, ...], AfterValidator(_distinct), AfterValidator(_sown)]
"""Data seeds, which select the few-shot samples of a task."""


class LogRange(Frozen):
    """Define the range from ``low`` to ``high``, log-uniform for rates."""

    low: Rate
    high: Rate

    @model_validator(mode="after")
    def _ordered(self) -> LogRange:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self


def _kind(given: object) -> str:
    return "interval" if isinstance(given, dict | LogRange) else "choices"


Rates = Annotated[
    Annotated[LogRange, Tag("interval")] | Annotated[RateList, Tag("choices")],
    Discriminator(_kind),
]
