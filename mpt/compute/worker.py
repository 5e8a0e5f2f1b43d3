"""The worker that computes packs from a gym and a frozen backbone, and saves their prompts."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from socket import gethostname
from typing import Any

import torch
from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.backbone.hub import earlier_weights, tokenizer_software
from mpt.backbone.load import load_backbone
from mpt.compute.progress import OnStep
from mpt.compute.prompt_starts import start_of
from mpt.compute.stopping import Stopping
from mpt.config import (
    LOCAL,
    BackboneConfig,
    BackboneIdentity,
    CellConfig,
    FineTuneConfig,
    RunConfig,
    Shots,
    UnitConfig,
)
from mpt.engine.checkpoint import Checkpoints
from mpt.engine.cpu import compute_deterministically, hold_threads, keep_large_blocks, numerics
from mpt.engine.finetune import FineTuned, fine_tune
from mpt.engine.learn import MetaTrained, OnLosses, learn
from mpt.engine.pack import CellJob, FineTuneJob, MetaJob
from mpt.engine.plan import cells_that_fit, runs_that_fit
from mpt.engine.tune import Tuned, tune
from mpt.errors import Diverged, StoreError
from mpt.gym.reach import Reach
from mpt.gym.source import Gym, open_gym
from mpt.gym.splits import PARTS
from mpt.gym.token_cache import TokenCache
from mpt.gym.tokens import Role, TokenSplit
from mpt.methods import method
from mpt.schema import Frozen
from mpt.store.address import sqlite_file
from mpt.store.artefacts import file_sum, save_prompt
from mpt.store.database import OPENING, survey
from mpt.store.home import Home
from mpt.store.ledger import Ledger, Unit
from mpt.store.results import CellResult, DivergedResult, MetaResult, Numerics, Result, StepRecord
from mpt.store.software import software
from mpt.store.tables import UNITS
from mpt.study.places import absolute, is_on_disk


@dataclass
class Worker:
    """Compute units of work of one backbone on one gym.

    A unit's artefact is on disk before the unit is returned, so that a recorded unit always has
    its prompt.

    Attributes:
        sums: SHA-256 of the prompts that units start from, by digest, where the ledger has it.
        computes: False where only finished units are looked up, so that no task is refused.
        begun_as: the name that the backbone had in the current study when the study was begun.
        on_losses: called with the losses of meta-trainings in this process while they run.
        deterministic: see ``mpt.engine.cpu.compute_deterministically``.
        loads_on: device of the model in this process, where packs are computed by others.
        stand_in: identity of a backbone that is not there: units are listed, and none is computed.
    """

    gym: Gym
    backbone_config: BackboneConfig
    home: Home
    device: str | None = None
    meta_engine: str = "auto"
    stopping: Stopping = field(default_factory=Stopping)
    sums: dict[str, str] = field(default_factory=dict)
    computes: bool = True
    begun_as: str = ""
    on_losses: OnLosses | None = None
    deterministic: bool = False
    loads_on: str | None = None
    stand_in: BackboneIdentity | None = None
    _tokens: dict[tuple[str, int, Shots | None, int], TokenSplit] = field(default_factory=dict)
    _reaches: dict[tuple[str, Shots | None, str, int], Reach] = field(default_factory=dict)

    @cached_property
    def backbone(self) -> Backbone:
        """The frozen model, loaded when first needed. Raises ``ConfigError``."""
        keep_large_blocks()
        hold_threads()
        if self.deterministic:
            compute_deterministically()
        return load_backbone(self.backbone_config, self.loads_on or self.device)

    @cached_property
    def model(self) -> BackboneIdentity:
        """The identity of the backbone in units: for a folder or file, its content alone.

        Earlier versions named it by its path as it was spelled; where the ledger holds units of
        these weights under such a name, that name is kept, so that they are found again.

        Raises:
            StoreError: the ledger cannot be read.
        """
        if self.stand_in is not None:
            return self.stand_in
        name = self.backbone_config.name
        if not is_on_disk(name):
            return BackboneIdentity(self.backbone.weights)
        names = self.names_of(self.backbone.weights)
        first = self.begun_as if self.begun_as in names else next(iter(names), LOCAL)
        return BackboneIdentity(self.backbone.weights, first, absolute(name))

    def names_of(self, weights: str) -> list[str]:
        """Return the names that the ledger's units of some weights have for their backbone.

        The most frequent is first, as in ``Ledger.backbone_names``; empty if there is no ledger.

        Raises:
            StoreError: the ledger cannot be read.
        """
        url = self.home.ledger_url
        if file := sqlite_file(url):
            is_there = file.exists()
        else:
            tables = survey(url, "ledger", "MPT_LEDGER_URL", OPENING).tables
            is_there = UNITS.name in tables
        if not is_there:
            return []
        # a read-only connection would leave SQLite's own files beside the ledger
        with Ledger(url, is_reader=file is None) as ledger:
            return ledger.backbone_names(weights)

    @cached_property
    def earlier_weights(self) -> str | None:
        """Digest of the weights in earlier versions, see ``hub.earlier_weights``."""
        return earlier_weights(self.backbone_config.name)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints of running meta-trainings."""
        return Checkpoints(self.home.checkpoints, wanted=lambda: self.stopping.saves())

    @cached_property
    def _token_cache(self) -> TokenCache:
        return TokenCache(self.home.tokens, f"{self.backbone.weights} {tokenizer_software()}")

    def keep_tokens(self) -> None:
        """Write the token ids of rows that were read before the home existed."""
        if "_token_cache" in vars(self):
            self._token_cache.keep()

    def elsewhere(self, home: Home) -> Worker:
        """Return a worker that writes into another home, computes, and shares the loaded model."""
        other = replace(self, home=home, loads_on=None, _tokens={}, _reaches={})
        for name in ("model",) if self.loads_on else ("backbone", "model"):
            if name in vars(self):
                vars(other)[name] = vars(self)[name]
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what a worker was opened with, without anything secret or large."""
        backbone, folder = self.backbone_config.model_dump_json(), Path.cwd()
        opened = (self.gym.name, backbone, self.home.root, self.device, self.meta_engine)
        return restore_worker, (*opened, self.deterministic, folder, self.stopping, self.sums)

    def split_digest(self, task: str, seed: int, shots: Shots | None = None) -> str:
        """Return the digest of a task's rows under a data seed."""
        if self.stand_in is not None:
            return ""
        return self.tokens(task, seed, shots).split.digest

    def data_digest(
        self, tasks: tuple[str, ...], seeds: tuple[int, ...], shots: Shots | None = None
    ) -> str:
        """Return the digest, 12 hexadecimal digits, of the rows of several tasks."""
        parts = (self.split_digest(task, seed, shots) for task in tasks for seed in seeds)
        return sha256(" ".join(parts).encode()).hexdigest()[:12]

    def tokens(
        self, task: str, seed: int, shots: Shots | None = None, max_target: int | None = None
    ) -> TokenSplit:
        """Return a task's split, tokenised when its rows are first read or taken from the cache.

        Args:
            task: its name.
            seed: data seed.
            shots: k of the task's train and dev sets; the official one by default.
            max_target: tokens at which targets are truncated; the backbone's by default.
        """
        config = self.backbone_config
        key = (task, seed, shots, max_target or config.max_target)
        if key not in self._tokens:
            self._tokens[key] = TokenSplit(
                self.gym.split(task, seed, shots),
                self._encode,
                config.max_input,
                max_target or config.max_target,
                None if self.stand_in else self._token_cache,
                before=config.before(task),
                kind=self.gym.card(task).kind,
            )
        return self._tokens[key]

    def check(
        self, tasks: Iterable[str], seeds: Iterable[int], shots: Shots | None, *, scored: bool
    ) -> None:
        """Check, before training, how many of the tasks' rows fit and can be answered.

        Args:
            tasks: their names.
            seeds: data seeds.
            shots: see ``tokens``.
            scored: the tasks are tuned on and scored; else only their train and dev rows count.

        Raises:
            DataError: none of the answers of a scored task can be generated; unless ``computes``
                is False.
        """
        if self.stand_in is not None:
            return
        for task, seed in product(tasks, seeds):
            tokens = self.tokens(task, seed, shots)
            for part in PARTS if scored else PARTS[:2]:
                # the five data seeds of a task may share one test set
                key = (task, shots, part, id(tokens.split.part(part)))
                if key not in self._reaches:
                    self._reaches[key] = tokens.reach(part, self.backbone.decode)
                if scored and self.computes:
                    self._reaches[key].refuse_hopeless()

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """What ``check`` has found, each part once."""
        return tuple(self._reaches.values())

    def learn(self, configs: Sequence[RunConfig], on_step: OnStep) -> list[Unit]:
        """Meta-train a pack; each run's prompt is its artefact, its losses are its result.

        Raises:
            Stopped: the time budget is spent; the pack's checkpoint is written.
        """
        began = time.monotonic()
        jobs = [self._meta_job(config.whole) for config in configs]

        def stepped(rows: int) -> None:
            on_step(rows)
            self.stopping.leave()

        ends = learn(
            jobs,
            self.backbone,
            checkpoints=self.checkpoints,
            engine=self._engine(configs[0].method),
            pauses=[config.updates for config in configs],
            on_step=stepped,
            on_losses=self.on_losses,
        )
        return self._units(configs, ends, time.monotonic() - began)

    def cells_that_fit(self, configs: Sequence[CellConfig]) -> int:
        """Return how many cells fit into one pass, estimated from the last one, the longest."""
        return cells_that_fit(self._cell_job(configs[-1]), self.backbone)

    def runs_that_fit(self, configs: Sequence[RunConfig]) -> int:
        """Return how many meta-trainings fit into one pass, estimated from the largest."""
        largest = max(configs, key=_rows_of_step).whole
        engine = self._engine(largest.method)
        return runs_that_fit(self._meta_job(largest), self.backbone, engine)

    def tune(self, configs: Sequence[CellConfig], on_step: OnStep) -> list[Unit]:
        """Tune a pack of downstream cells; each cell's best-dev prompt is its artefact."""
        began = time.monotonic()
        jobs = [self._cell_job(config) for config in configs]
        ends = tune(jobs, self.backbone, on_step=on_step)
        return self._units(configs, ends, time.monotonic() - began)

    def _engine(self, name: str) -> str:
        """Return the chosen engine if the method has it: a promotion runs several methods."""
        return self.meta_engine if self.meta_engine in method(name).engines else "auto"

    def _meta_job(self, config: RunConfig) -> MetaJob:
        pairs = [(task, seed) for task in config.sources for seed in config.data_seeds]
        cut = config.habits.max_target if config.habits else None
        units = tuple(self.tokens(task, seed, config.shots, cut) for task, seed in pairs)
        return MetaJob(config, units, self._start(config, units))

    def fine_tune(self, configs: Sequence[FineTuneConfig], on_step: OnStep) -> list[Unit]:
        """Fine-tune the whole model for each cell, one after another; no weights are kept."""
        units = []
        for config in configs:
            began = time.monotonic()
            split = self.tokens(config.task, config.data_seed, config.shots)
            end = fine_tune(FineTuneJob(config, split), self.backbone, on_step=on_step)
            units += self._units([config], [end], time.monotonic() - began)
        return units

    def _cell_job(self, config: CellConfig) -> CellJob:
        split = self.tokens(config.task, config.data_seed, config.shots)
        return CellJob(config, split, self._start(config, [split]))

    def _start(self, config: RunConfig | CellConfig, splits: Sequence[TokenSplit]) -> Tensor:
        def labels() -> list[str]:
            return [label for split in splits for label in split.labels]

        return start_of(config, self.backbone, self.home, self.sums, labels)

    def _encode(self, texts: Sequence[str], limit: int, role: Role) -> list:
        return self.backbone.encode(texts, limit, role)

    def _units(
        self,
        configs: Sequence[UnitConfig],
        ends: Sequence[MetaTrained | Tuned | FineTuned | Diverged],
        seconds: float,
    ) -> list[Unit]:
        """Build the units of a pack, each with an equal share of its seconds."""
        conditions = Numerics.model_validate(
            {**numerics(self.backbone.device), "pack": len(configs)}
        )
        share = seconds / len(configs)
        return [self._unit(c, end, share, conditions) for c, end in zip(configs, ends, strict=True)]

    def _unit(
        self,
        config: UnitConfig,
        end: MetaTrained | Tuned | FineTuned | Diverged,
        seconds: float,
        conditions: Numerics,
    ) -> Unit:
        artefact, result = None, _result(end, conditions)
        if isinstance(end, MetaTrained | Tuned):
            artefact = save_prompt(self.home, config.digest, end.prompt, _about(config))
            prompt_sha256 = file_sum(self.home.root / artefact)
            result = result.model_copy(update={"prompt_sha256": prompt_sha256})
        return Unit(
            digest=config.digest,
            kind=config.kind,
            config=config,
            state="diverged" if isinstance(end, Diverged) else "done",
            result=result,
            artefact=artefact,
            seconds=round(seconds, 3),
            created=datetime.now(UTC),
        )


def _rows_of_step(config: RunConfig) -> int:
    """Rows that a step reads, all its episodes and inner batches together."""
    inner, outer = config.inner, config.outer
    return outer.episodes * (inner.steps * inner.batch + outer.batch)


def _about(config: Frozen) -> dict[str, str]:
    return {"digest": config.digest, "config": config.model_dump_json()}


def _result(end: MetaTrained | Tuned | FineTuned | Diverged, conditions: Numerics) -> Result:
    """Convert the outcome of a unit into its stored result."""
    if isinstance(end, Diverged):
        return DivergedResult(
            step=end.step, reason=str(end), software=software(), numerics=conditions
        )
    plan = StepRecord.model_validate(asdict(end.plan)) if end.plan else None
    if isinstance(end, MetaTrained):
        result = MetaResult(curve=end.curve, plan=plan, software=software(), numerics=conditions)
        # set only where there is any, so that results of other methods are stored as before
        return result.model_copy(update={"learned": end.learned}) if end.learned else result
    result = CellResult(
        dev=end.dev,
        test=end.test,
        best_step=end.best_step,
        dev_evals=end.evals,
        curve=end.curve,
        plan=plan,
        software=software(),
        numerics=conditions,
    )
    # likewise set only where it is not what it always was
    is_generated = end.scoring == "generation"
    return result if is_generated else result.model_copy(update={"scoring": end.scoring})


def restore_worker(
    gym: str,
    backbone: str,
    root: Path,
    device: str | None,
    meta_engine: str,
    deterministic: bool,
    folder: Path,
    stopping: Stopping,
    sums: Mapping[str, str],
) -> Worker:
    """Open a worker in this process as its driver did; the same one is opened only once.

    Args:
        gym, device, meta_engine, deterministic, stopping: as in ``Worker``.
        backbone: its configuration as JSON.
        root: the home folder; only the driver uses the stores of a home.
        folder: where the driver was started, which relative paths start from.
        sums: SHA-256 of the prompts that units start from, by digest.

    Raises:
        StoreError: the home folder is not there.
        DataError: the gym is not there.
    """
    if not root.is_dir():
        raise StoreError(
            f"the home folder {root} is not there on {gethostname()}",
            fix="set MPT_HOME to a folder that all machines share under one path",
        )
    with suppress(OSError):
        os.chdir(folder)
    worker = _opened(gym, backbone, root, device, meta_engine, deterministic)
    worker.stopping, worker.sums = stopping, dict(sums)
    return worker


@lru_cache(maxsize=1)
def _opened(
    gym: str,
    backbone: str,
    root: Path,
    device: str | None,
    meta_engine: str,
    deterministic: bool,
) -> Worker:
    config, home = BackboneConfig.model_validate_json(backbone), Home.find({"MPT_HOME": str(root)})
    opened = open_gym(gym)
    return Worker(opened, config, home, device, meta_engine, deterministic=deterministic)


def forget_workers() -> None:
    """Drop the worker of this process, and its model from the memory of its device."""
    _opened.cache_clear()
    gc.collect()
    torch.cuda.empty_cache()
