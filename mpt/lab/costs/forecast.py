"""Forecast what work costs a model and a GPU that are not there, from counted operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

from mpt.backbone.t5_shape import (
    FORWARD,
    GRADIENT,
    GRADIENT_OF_WEIGHTS,
    GRADIENT_TWICE,
    T5Shape,
)
from mpt.config import CellConfig, FineTuneConfig, Precision, RunConfig, Shots
from mpt.engine.memory import USABLE
from mpt.gym.source import Gym
from mpt.lab.costs.device_profiles import DeviceProfile
from mpt.lab.costs.workload import Config, Workload
from mpt.methods import method

CHARACTERS = 4.0
"""Of a text per token: about what T5's tokenizer makes of English."""

RECORD = 3_000
"""Bytes of a unit's record, without its curve; ``STEP`` more for every update of it."""
STEP = 20

UTILISATIONS = (0.3, 0.5)
"""Fractions of a GPU's peak that hours are given for."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean numbers of tokens of a task's training rows, and its numbers of rows."""

    inputs: float
    outputs: float
    dev: int
    test: int


@dataclass(frozen=True, slots=True)
class Part:
    """Units of one kind: how many, their floating-point operations, and bytes on disk."""

    what: str
    units: int
    flops: float
    disk: float


@dataclass(frozen=True)
class Forecast:
    """The cost of work by counting.

    Attributes:
        parts: meta-trainings, prompt tuning and full fine-tuning, those that there are.
        longest: the mean input and output of the task with the longest rows, in tokens, the
            prompt among them.
        batch: rows of a cell's batch.
    """

    work: Workload
    shape: T5Shape
    parts: tuple[Part, ...]
    longest: tuple[float, float]
    batch: int

    @property
    def flops(self) -> float:
        """Return the floating-point operations of all units."""
        return sum(part.flops for part in self.parts)

    @property
    def disk(self) -> float:
        """Return the bytes of prompts and records, without what MLflow stores."""
        return sum(part.disk for part in self.parts)

    @property
    def precision(self) -> Precision:
        """Return the precision of the study."""
        return self.work.study.backbone.precision

    @cached_property
    def weights(self) -> float:
        """Return the bytes of the model's weights."""
        return self.shape.parameters * self._width

    @cached_property
    def cell(self) -> float:
        """Return the bytes that a cell with the longest rows takes while it is tuned."""
        return self.batch * self.shape.row_bytes(*self.longest, self._width)

    def hours(self, profile: DeviceProfile, utilisation: float) -> float:
        """Return the hours of computation on one GPU at a fraction of its peak."""
        return self.flops / profile.peak(self.precision) / utilisation / 3600

    def cells_that_fit(self, profile: DeviceProfile) -> int:
        """Return how many cells share a pass on a GPU; 0 where not even one fits."""
        return max(0, int((USABLE * profile.memory - self.weights) / self.cell))

    @property
    def _width(self) -> int:
        return 2 if self.precision == "bf16" else 4


def forecast(work: Workload, gym: Gym, shape: T5Shape) -> Forecast:
    """Count the operations of the units that are left, by the lengths of the gym's rows."""
    counted = _Counted(gym, shape)
    runs = [config for config in work.left if isinstance(config, RunConfig)]
    cells = [config for config in work.left if isinstance(config, CellConfig)]
    whole = [config for config in work.left if isinstance(config, FineTuneConfig)]
    costs = {
        "meta-training": [counted.meta_training(config) for config in runs],
        "prompt tuning": [counted.tuning(config) for config in cells],
        "full fine-tuning": [counted.fine_tuning(config) for config in whole],
    }
    parts = [_part(what, of_units) for what, of_units in costs.items() if of_units]
    longest = max((counted.positions(cell) for cell in cells), default=(1.0, 1.0), key=sum)
    batch = max((cell.tuning.batch for cell in cells), default=1)
    return Forecast(work, shape, tuple(parts), longest, batch)


def _part(what: str, costs: Sequence[tuple[float, float]]) -> Part:
    return Part(what, len(costs), sum(flops for flops, _ in costs), sum(disk for _, disk in costs))


@dataclass
class _Counted:
    """Counts a unit's operations, and bytes on disk."""

    gym: Gym
    shape: T5Shape
    _lengths: dict[tuple[object, ...], Lengths] = field(
        default_factory=dict[tuple[object, ...], Lengths]
    )

    def meta_training(self, config: RunConfig) -> tuple[float, float]:
        """An episode's inner batches, whose gradient may be differentiated again, and its query."""
        known, inner, outer = method(config.method), config.inner, config.outer
        of_sources = [self._of(task, config) for task in config.sources]
        inputs = config.backbone.prompt_tokens + fmean(one.inputs for one in of_sources)
        outputs = fmean(one.outputs for one in of_sources)
        support = inner.steps * inner.batch if known.support else 0
        query = outer.batch if known.query != "none" else 0
        kind = GRADIENT_TWICE if known.order == 2 else GRADIENT
        episode = support * self.shape.flops(inputs, outputs, kind)
        episode += query * self.shape.flops(inputs, outputs, GRADIENT)
        flops = outer.steps * outer.episodes * episode
        return flops, self._prompt(config) + RECORD + STEP * outer.steps

    def tuning(self, config: CellConfig) -> tuple[float, float]:
        """Updates, and a pass over dev at every evaluation and over test at the end."""
        of_task, tuning = self._of(config.task, config), config.tuning
        inputs, outputs = self.positions(config)
        dev = min(of_task.dev, tuning.dev_rows or of_task.dev)
        rows = tuning.num_evals * dev + min(of_task.test, tuning.test_rows or of_task.test)
        flops = tuning.steps * tuning.batch * self.shape.flops(inputs, outputs, GRADIENT)
        flops += rows * self.shape.flops(inputs, outputs, FORWARD)
        return flops, self._prompt(config) + RECORD + STEP * tuning.steps

    def fine_tuning(self, config: FineTuneConfig) -> tuple[float, float]:
        """As ``tuning``, with gradients of the weights and no prompt."""
        of_task, tuning = self._of(config.task, config), config.tuning
        size = of_task.inputs, of_task.outputs
        flops = tuning.steps * tuning.batch * self.shape.flops(*size, GRADIENT_OF_WEIGHTS)
        test = min(of_task.test, tuning.test_rows or of_task.test)
        rows = tuning.num_evals * of_task.dev + test
        flops += rows * self.shape.flops(*size, FORWARD)
        return flops, RECORD + STEP * tuning.steps

    def positions(self, config: CellConfig) -> tuple[float, float]:
        """Positions that encoder and decoder read of a cell's row, in the mean."""
        of_task = self._of(config.task, config)
        return config.backbone.prompt_tokens + of_task.inputs, of_task.outputs

    def _of(self, task: str, config: Config) -> Lengths:
        """Lengths of a task under its first data seed: those of the others are much the same."""
        seed = config.data_seeds[0] if isinstance(config, RunConfig) else config.data_seed
        limits = config.backbone.max_input, config.backbone.max_target
        key = (task, config.shots, *limits)
        if key not in self._lengths:
            self._lengths[key] = self._measured(task, seed, config.shots, *limits)
        return self._lengths[key]

    def _measured(
        self, task: str, seed: int, shots: Shots | None, max_input: int, max_target: int
    ) -> Lengths:
        split = self.gym.split(task, seed, shots)
        inputs = _tokens([row.input for row in split.train], max_input)
        outputs = _tokens([row.targets[0] for row in split.train], max_target)
        return Lengths(inputs, outputs, len(split.dev), len(split.test))

    def _prompt(self, config: RunConfig | CellConfig) -> float:
        """Bytes of a prompt, which is stored in float32."""
        return 4.0 * config.backbone.prompt_tokens * self.shape.width


def _tokens(texts: Sequence[str], most: int) -> float:
    """The mean number of tokens of texts, the closing ``</s>`` among them, at most ``most``."""
    return fmean(min(most, len(text) / CHARACTERS + 1) for text in texts)
