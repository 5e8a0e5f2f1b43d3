"""Group units of work of one shape into packs, which share every forward and backward pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from torch import Tensor

from mpt.config import CellConfig, FineTuneConfig, Habits, RunConfig
from mpt.gym.episodes import Episodes
from mpt.gym.tokens import TokenSplit
from mpt.methods import method

Work = TypeVar("Work")


@dataclass(frozen=True)
class MetaJob:
    """One meta-training: its configuration, its source units and where its prompt starts."""

    config: RunConfig
    units: tuple[TokenSplit, ...]
    start: Tensor
    """``[P, H]``."""

    @cached_property
    def episodes(self) -> Episodes:
        """Its episodes, in order."""
        config, known = self.config, method(self.config.method)
        return Episodes(
            units=self.units,
            name=config.root,
            inner_steps=config.inner.steps if known.support else 0,
            inner_batch=config.inner.batch,
            query=known.query,
            query_batch=config.outer.batch,
            habits=config.habits or Habits(),
        )


@dataclass(frozen=True)
class CellJob:
    """One downstream cell: its configuration, its task's split and where its prompt starts."""

    config: CellConfig
    split: TokenSplit
    start: Tensor
    """``[P, H]``."""

    @property
    def stream(self) -> tuple[str, int]:
        """Root of its random streams: every method and rate sees the same rows in the same order,
        so that what a comparison shows is the start and not the draw."""
        return (self.config.task, self.config.data_seed)


@dataclass(frozen=True)
class FineTuneJob:
    """One cell of full fine-tuning: its configuration and its task's split."""

    config: FineTuneConfig
    split: TokenSplit

    @property
    def stream(self) -> tuple[str, int]:
        """Root of its random streams: the rows of ``CellJob`` in the same order."""
        return (self.config.task, self.config.data_seed)


def run_shape(config: RunConfig) -> Hashable:
    """Return what runs must have in common to share a pass; rates, tasks and lengths may differ."""
    return (
        config.backbone,
        config.weights,
        config.method,
        (config.inner.steps, config.inner.batch),
        (config.outer.optimiser, config.outer.episodes, config.outer.batch),
        config.habits,
        # whole numbers are those of a whole pack, see ``mpt.methods.Arg``
        tuple((n, v) for n, v in (config.method_args or {}).items() if isinstance(v, int)),
    )


def cell_shape(config: CellConfig) -> Hashable:
    """Return what cells must have in common to share a pass."""
    return (config.backbone, config.weights, config.tuning)


def packs(
    work: Iterable[Work], *, shape: Callable[[Work], Hashable], size: int
) -> list[list[Work]]:
    """Group work by shape, in order, at most ``size`` to a pack."""
    groups: dict[Hashable, list[Work]] = {}
    for item in work:
        groups.setdefault(shape(item), []).append(item)
    return [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]
