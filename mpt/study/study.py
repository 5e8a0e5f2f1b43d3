"""A study as data: search space, validation tasks, and what a promotion runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import StrictInt, model_validator

from mpt.config import (
    FULL_LRS,
    BackboneConfig,
    Count,
    FineTuning,
    Habits,
    InnerLoop,
    MethodArgs,
    MethodName,
    NotStoredUnset,
    OuterLoop,
    RunConfig,
    Shots,
    Tuning,
)
from mpt.errors import UnknownName
from mpt.gym.partitions import Partitions
from mpt.gym.splits import SEEDS
from mpt.methods import method, revision
from mpt.schema import Frozen, Schema, stored_as
from mpt.seeding import stream
from mpt.study.error_policy import Errors
from mpt.study.protocol import ProtocolName, habits
from mpt.study.pruning import Hyperband, Pruner, Wilcoxon
from mpt.study.samplers import SAMPLERS, SamplerName
from mpt.study.space import (
    Baselines,
    Counts,
    LogRange,
    MetaSeeds,
    MethodNames,
    Names,
    RateList,
    Rates,
    Seeds,
    Title,
)


class Space(Frozen):
    """Define the search space; a key left out keeps the study's ``inner`` or ``outer`` value."""

    inner_lr: Rates | None = None
    outer_lr: Rates | None = None
    inner_steps: Counts | None = None
    outer_steps: Counts | None = None
    method_args: Annotated[Mapping[str, Rates] | None, NotStoredUnset] = None

    def dimensions(self, name: str) -> dict[str, LogRange | tuple[float, ...] | tuple[int, ...]]:
        """Return the searched dimensions of a method, without those that it does not have."""
        row = method(name)
        searched = {
            "inner_lr": self.inner_lr if row.support else None,
            "outer_lr": self.outer_lr,
            "inner_steps": self.inner_steps if row.support else None,
            "outer_steps": self.outer_steps,
            **{arg: of for arg, of in (self.method_args or {}).items() if arg in row.args},
        }
        return {key: choice for key, choice in searched.items() if choice is not None}


class Validation(Frozen):
    """Define how trials are evaluated: ARG over plain PT on ``tasks`` (default: the gym's five)."""

    tasks: Names | None = None
    seeds: Seeds = SEEDS[:2]
    lrs: RateList = (0.3,)


class FullFineTuning(Frozen):
    """Define the second baseline of a promotion; it is scored as given under ``tuning``."""

    lrs: RateList = FULL_LRS
    steps: Count = 40
    batch: Count = 8
    num_evals: Annotated[Count, stored_as("looks")] = 4
    epochs: Count | None = None


class Final(Frozen):
    """Define what a promotion runs.

    Attributes:
        settings: by default all of the gym's.
        methods: by default the study's own method.
        seeds, lrs: of the targets; the learning rate with the best dev score counts per seed.
        meta_seeds: seeds of the meta-trainings of every method and setting, one each.
        baselines: plain prompt tuning, to which gains are relative, and full fine-tuning.
    """

    settings: Names | None = None
    methods: MethodNames | None = None
    seeds: Seeds = SEEDS
    lrs: RateList = (0.5, 0.2)
    meta_seeds: MetaSeeds = (0,)
    baselines: Baselines = ("PT",)
    fine_tuning: FullFineTuning = FullFineTuning()


class Study(Frozen):
    """Define a study: everything about it but its results.

    Attributes:
        name: its name in Optuna, MLflow and the ledger; default ``<gym>-<method>``.
        gym: ``mini`` or a folder of tasks.
        protocol: source of the defaults, see ``mpt.study.protocol``.
        partitions: custom settings instead of the gym's; in a file also the name of a YAML file
            beside it (docs/own-tasks.md).
        method_args: arguments of the method besides its inner and outer loop.
        setting: provides the source tasks of the trials, by default R->R or the first of
            ``partitions``; ``sources`` overrides them.
        source_shots, target_shots: k of source and evaluated tasks where it is not the official
            one: a number, or ``all``.
        trials: total of the study, including those before it was resumed.
        round: trials sampled together, based only on the results of earlier rounds, so that they
            do not depend on how trials are packed.
        pack: trials trained in one pass, at most a round.
        cells_per_pack: downstream cells tuned in one pass; ``auto``, of both: as many as the device
            that computes holds.
        errors: policy for each class of error.
    """

    SCHEMA: ClassVar[Schema] = Schema("Study")
    name: Title | None = None
    gym: str = "mini"
    protocol: ProtocolName = "paper"
    backbone: BackboneConfig = BackboneConfig()
    method: MethodName = "reptile"
    partitions: Partitions | None = None
    setting: str = "R->R"
    sources: Names | None = None
    inner: InnerLoop = InnerLoop()
    outer: OuterLoop = OuterLoop()
    method_args: MethodArgs = None
    space: Space = Space()
    tuning: Tuning = Tuning()
    source_seeds: Seeds = SEEDS
    source_shots: Shots | None = None
    target_shots: Shots | None = None
    validation: Validation = Validation()
    final: Final = Final()
    sampler: SamplerName = "tpe"
    pruner: Pruner = None
    seed: StrictInt = 0
    trials: Count = 8
    round: Count = 4
    pack: Count | Literal["auto"] = 4
    cells_per_pack: Count | Literal["auto"] = 16
    errors: Errors = Errors()

    @model_validator(mode="after")
    def _method_has_its_args(self) -> Study:
        row = method(self.method)
        given: list[tuple[str, float]] = [*(self.method_args or {}).items()]
        for name, choice in (self.space.method_args or {}).items():
            ends = (choice.low, choice.high) if isinstance(choice, LogRange) else choice
            given += [(name, value) for value in ends]
            if isinstance(choice, LogRange) and row.counts(name):
                raise ValueError(f"{name!r} is a whole number; give a list of values, not a range")
        for name, value in given:
            if name not in row.args:
                raise ValueError(str(UnknownName(f"argument of {self.method}", name, row.args)))
            row.arguments({name: value})
        return self

    @model_validator(mode="after")
    def _grid_has_choices(self) -> Study:
        ranges = [
            name
            for name, choice in self.space.dimensions(self.method).items()
            if isinstance(choice, LogRange)
        ]
        if SAMPLERS[self.sampler].exhausts and ranges:
            raise ValueError(
                f"a {self.sampler} needs lists of values, but {', '.join(ranges)} is a range; give "
                "a list or choose another sampler"
            )
        return self

    @model_validator(mode="after")
    def _pruner_can_prune(self) -> Study:
        match self.pruner:
            case Wilcoxon() if len(self.validation.seeds) == 1:
                raise ValueError(
                    "the pruner wilcoxon decides after each data seed but the last, and "
                    "validation.seeds has one; give more seeds or another pruner"
                )
            case Hyperband(min_resource=int(lowest)) if lowest >= self.most_steps:
                raise ValueError(
                    f"the pruner hyperband would first decide after {lowest} meta-steps, and a "
                    f"trial takes at most {self.most_steps}; give a smaller pruner.min_resource"
                )
            case _:
                pass
        return self

    @property
    def most_steps(self) -> int:
        """Return the meta-steps of the longest trial."""
        return max(self.space.outer_steps or (self.outer.steps,))

    @cached_property
    def grid(self) -> list[dict[str, float]]:
        """List every combination of the choices, in an order drawn from the seed."""
        dimensions = self.space.dimensions(self.method)
        cells = [
            dict(zip(dimensions, cell, strict=True))
            for cell in product(*(tuple(choice) for choice in dimensions.values()))
        ]
        return [cells[i] for i in stream("grid", self.seed).permutation(len(cells))]

    @property
    def total(self) -> int:
        """Return the number of trials in all; a grid ends with its last combination."""
        is_finite = SAMPLERS[self.sampler].exhausts
        return min(self.trials, len(self.grid)) if is_finite else self.trials

    @property
    def title(self) -> str:
        """Return the study's name, or its default name."""
        folder = re.sub(r"[^A-Za-z0-9._-]", "-", Path(self.gym).name).lstrip("._-")
        return self.name or f"{folder or 'gym'}-{self.method}"

    @property
    def definition(self) -> dict[str, object]:
        """Return what identifies the study: all but its name, length, packing and promotion."""
        excluded = {"name", "trials", "pack", "cells_per_pack", "errors", "final", "partitions"}
        extra: dict[str, object] = {"partitions": self.partitions.digest} if self.partitions else {}
        if self.habits:
            extra["habits"] = self.habits.model_dump(mode="json", exclude_none=True)
        values = {**self.model_dump(mode="json", exclude=excluded), **extra}
        return {key: value for key, value in values.items() if value is not None}

    @property
    def habits(self) -> Habits | None:
        """Return how the protocol's meta-trainings differ from mpt's own, if they do."""
        return habits(self.protocol, self.method, self.backbone.max_target)

    @property
    def fine_tuning(self) -> FineTuning:
        """Return the budget of one cell of full fine-tuning."""
        chosen = self.final.fine_tuning.model_dump(exclude={"lrs"})
        scored = self.tuning.model_dump(
            include={"num_beams", "test_rows", "scoring"}, by_alias=False
        )
        return FineTuning(**chosen, **scored)

    def run(
        self,
        params: Mapping[str, float],
        *,
        sources: tuple[str, ...],
        weights: str,
        data: str,
        meta_seed: int = 0,
    ) -> RunConfig:
        """Build the configuration of the meta-training with the given hyper-parameters."""
        args = method(self.method).arguments({**(self.method_args or {}), **params})
        inner = {"lr": params.get("inner_lr"), "steps": params.get("inner_steps")}
        outer = {"lr": params.get("outer_lr"), "steps": params.get("outer_steps")}
        return RunConfig(
            backbone=self.backbone,
            weights=weights,
            method=self.method,
            inner=self.inner.model_copy(update=_given(inner)),
            outer=self.outer.model_copy(update=_given(outer)),
            sources=sources,
            data_seeds=self.source_seeds,
            data=data,
            seed=self.seed + meta_seed,
            shots=self.source_shots,
            revision=revision(self.method),
            habits=self.habits,
            method_args=args or None,
        )


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
