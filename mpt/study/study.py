"""A study as data: what is searched, on which tasks it is judged, and what a promotion runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

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
    Interval,
    MetaSeeds,
    MethodNames,
    Names,
    RateList,
    Rates,
    Seeds,
    Title,
)


class Space(Frozen):
    """What a trial may choose; what is left out keeps the study's ``inner`` and ``outer`` value."""

    inner_lr: Rates | None = None
    outer_lr: Rates | None = None
    inner_steps: Counts | None = None
    outer_steps: Counts | None = None
    method_args: Annotated[Mapping[str, Rates] | None, NotStoredUnset] = None

    def dimensions(self, name: str) -> dict[str, Interval | tuple[float, ...] | tuple[int, ...]]:
        """Return what is searched of a method: of an inner loop and arguments only its own."""
        known = method(name)
        searched = {
            "inner_lr": self.inner_lr if known.support else None,
            "outer_lr": self.outer_lr,
            "inner_steps": self.inner_steps if known.support else None,
            "outer_steps": self.outer_steps,
            **{arg: of for arg, of in (self.method_args or {}).items() if arg in known.args},
        }
        return {key: choice for key, choice in searched.items() if choice is not None}


class Validation(Frozen):
    """Where trials are judged: ARG over ``tasks`` (default: the gym's five) against plain PT."""

    tasks: Names | None = None
    seeds: Seeds = SEEDS[:2]
    lrs: RateList = (0.3,)


class FullFineTuning(Frozen):
    """The second baseline of a promotion; it decodes as ``tuning`` says."""

    lrs: RateList = FULL_LRS
    steps: Count = 40
    batch: Count = 8
    num_evals: Annotated[Count, stored_as("looks")] = 4
    epochs: Count | None = None


class Final(Frozen):
    """What a promotion runs.

    Attributes:
        settings: default: all of the gym's.
        methods: default: the study's own.
        seeds, lrs: of the targets; per seed the rate with the best dev score counts.
        meta_seeds: meta-trainings of every method and setting, each with another seed.
        baselines: plain prompt tuning, which gains are over, and full fine-tuning beside it.
    """

    settings: Names | None = None
    methods: MethodNames | None = None
    seeds: Seeds = SEEDS
    lrs: RateList = (0.5, 0.2)
    meta_seeds: MetaSeeds = (0,)
    baselines: Baselines = ("PT",)
    fine_tuning: FullFineTuning = FullFineTuning()


class Study(Frozen):
    """Everything about a study but its results.

    Attributes:
        name: under which Optuna, MLflow and the ledger know it; default ``<gym>-<method>``.
        gym: ``mini`` or a folder of tasks.
        protocol: whose habits are the defaults, see ``mpt.study.protocol``.
        partitions: settings of one's own instead of the gym's; in a file also the name of a YAML
            file beside it (docs/own-tasks.md).
        method_args: arguments that the method has beside its inner and outer loop.
        setting: whose source tasks the trials learn on, by default R->R or the first of
            ``partitions``; ``sources`` overrides them.
        source_shots, target_shots: k of source tasks, and of tasks that are judged on, where it is
            not the official one: a number, or ``all``.
        trials: a total for the study, however often it is resumed.
        round: trials drawn together, from the results of earlier rounds alone: they are the same
            however they are packed.
        pack: trials that share one pass, at most a round.
        cells_per_pack: downstream cells that share one pass; ``auto``: as many as fill the device.
        errors: what is done about errors, by class.
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
    pack: Count = 4
    cells_per_pack: Count | Literal["auto"] = 16
    errors: Errors = Errors()

    @model_validator(mode="after")
    def _method_has_its_args(self) -> Study:
        known = method(self.method)
        given: list[tuple[str, float]] = [*(self.method_args or {}).items()]
        for name, choice in (self.space.method_args or {}).items():
            ends = (choice.low, choice.high) if isinstance(choice, Interval) else choice
            given += [(name, value) for value in ends]
            if isinstance(choice, Interval) and known.counts(name):
                raise ValueError(f"{name!r} is a whole number; give a list of values, not a range")
        for name, value in given:
            if name not in known.args:
                raise ValueError(str(UnknownName(f"argument of {self.method}", name, known.args)))
            known.arguments({name: value})
        return self

    @model_validator(mode="after")
    def _grid_has_choices(self) -> Study:
        ranges = [
            name
            for name, choice in self.space.dimensions(self.method).items()
            if isinstance(choice, Interval)
        ]
        if SAMPLERS[self.sampler].exhausts and ranges:
            raise ValueError(
                f"a {self.sampler} needs lists of values, but {', '.join(ranges)} is a range; give "
                "a list or another sampler"
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
        return self

    @property
    def most_steps(self) -> int:
        """Meta-steps of the longest trial."""
        return max(self.space.outer_steps or (self.outer.steps,))

    @cached_property
    def grid(self) -> list[dict[str, float]]:
        """Every combination of the choices, in an order drawn from the seed."""
        dimensions = self.space.dimensions(self.method)
        cells = [
            dict(zip(dimensions, cell, strict=True))
            for cell in product(*(tuple(choice) for choice in dimensions.values()))
        ]
        return [cells[i] for i in stream("grid", self.seed).permutation(len(cells))]

    @property
    def total(self) -> int:
        """Trials in all; a grid ends with its last cell."""
        is_finite = SAMPLERS[self.sampler].exhausts
        return min(self.trials, len(self.grid)) if is_finite else self.trials

    @property
    def title(self) -> str:
        """The study's name."""
        folder = re.sub(r"[^A-Za-z0-9._-]", "-", Path(self.gym).name).lstrip("._-")
        return self.name or f"{folder or 'gym'}-{self.method}"

    @property
    def definition(self) -> dict[str, Any]:
        """What makes it this study and no other: all but its name, length and packing."""
        free = {"name", "trials", "pack", "cells_per_pack", "errors", "final", "partitions"}
        own: dict[str, Any] = {"partitions": self.partitions.digest} if self.partitions else {}
        if self.habits:
            own["habits"] = self.habits.model_dump(mode="json", exclude_none=True)
        known = {**self.model_dump(mode="json", exclude=free), **own}
        return {key: value for key, value in known.items() if value is not None}

    @property
    def habits(self) -> Habits | None:
        """How its meta-trainings go, where the protocol has them go otherwise."""
        return habits(self.protocol, self.method, self.backbone.max_target)

    @property
    def fine_tuning(self) -> FineTuning:
        """The budget of one cell of full fine-tuning."""
        chosen = self.final.fine_tuning.model_dump(exclude={"lrs"})
        return FineTuning(**chosen, num_beams=self.tuning.num_beams)

    def run(
        self,
        params: Mapping[str, float],
        *,
        sources: tuple[str, ...],
        weights: str,
        data: str,
        meta_seed: int = 0,
    ) -> RunConfig:
        """The meta-training that a choice of parameters stands for."""
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


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
