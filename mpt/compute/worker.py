"""What computes packs: a gym, a frozen backbone and a place for prompts; it knows no ledger."""

from __future__ import annotations

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
from mpt.engine.finetune import FineTuned, fine_tune
from mpt.engine.learn import Learned, learn
from mpt.engine.malloc import keep_large_blocks
from mpt.engine.pack import CellJob, FineTuneJob, MetaJob
from mpt.engine.plan import cells_that_fit
from mpt.engine.threads import hold_threads, numerics
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
    """Computes units of work of one backbone on one gym.

    A unit's artefact is on disk before the unit is handed back, so that a recorded unit always has
    its prompt.

    Attributes:
        sums: SHA-256 of the prompts that units begin from, by digest, as far as the ledger has it.
        computes: false where only what was computed is looked up, so that nothing is refused.
        begun_as: by which name the backbone stood in the study at hand when it was begun.
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
    _tokens: dict[tuple[str, int, Shots | None, int], TokenSplit] = field(default_factory=dict)
    _reaches: dict[tuple[str, Shots | None, str, int], Reach] = field(default_factory=dict)

    @cached_property
    def backbone(self) -> Backbone:
        """The frozen model, loaded when first needed. Raises ``ConfigError``."""
        keep_large_blocks()
        hold_threads()
        return load_backbone(self.backbone_config, self.device)

    @cached_property
    def model(self) -> BackboneIdentity:
        """How the backbone is named in units: a folder or file by its content alone.

        Earlier versions named it by its path, as that was spelled; where the ledger holds units of
        these weights under such a name, it stays theirs.

        Raises:
            StoreError: the ledger cannot be read.
        """
        name = self.backbone_config.name
        if not is_on_disk(name):
            return BackboneIdentity(self.backbone.weights)
        names = self.names_of(self.backbone.weights)
        first = self.begun_as if self.begun_as in names else next(iter(names), LOCAL)
        return BackboneIdentity(self.backbone.weights, first, absolute(name))

    def names_of(self, weights: str) -> list[str]:
        """By which names the ledger's units of some weights call their backbone, as in ``Ledger``;
        none where there is no ledger yet."""
        url = self.home.ledger_url
        if file := sqlite_file(url):
            is_there = file.exists()
        else:
            tables = survey(url, "ledger", "MPT_LEDGER_URL", OPENING).tables
            is_there = UNITS.name in tables
        if not is_there:
            return []
        # a mere reader leaves files of SQLite's own beside a ledger
        with Ledger(url, is_reader=file is None) as ledger:
            return ledger.backbone_names(weights)

    @cached_property
    def earlier_weights(self) -> str | None:
        """See ``hub.earlier_weights``."""
        return earlier_weights(self.backbone_config.name)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Where meta-trainings are saved while they go on."""
        return Checkpoints(self.home.checkpoints, wanted=lambda: self.stopping.saves())

    @cached_property
    def _token_cache(self) -> TokenCache:
        return TokenCache(self.home.tokens, f"{self.backbone.weights} {tokenizer_software()}")

    def keep_tokens(self) -> None:
        """Write the token ids of rows that were read before the home was made."""
        if "_token_cache" in vars(self):
            self._token_cache.keep()

    def elsewhere(self, home: Home) -> Worker:
        """A worker that writes into another home; the loaded model is shared."""
        other = replace(self, home=home, _tokens={}, _reaches={})
        for known in ("backbone", "model"):
            if known in vars(self):
                vars(other)[known] = vars(self)[known]
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent elsewhere, a worker is what it was opened with, less what is secret or large."""
        backbone, folder = self.backbone_config.model_dump_json(), Path.cwd()
        opened = (self.gym.name, backbone, self.home.root, self.device, self.meta_engine)
        return restore_worker, (*opened, folder, self.stopping, self.sums)

    def split_digest(self, task: str, seed: int, shots: Shots | None = None) -> str:
        """Identity of a task's rows under a data seed."""
        return self.tokens(task, seed, shots).split.digest

    def data_digest(
        self, tasks: tuple[str, ...], seeds: tuple[int, ...], shots: Shots | None = None
    ) -> str:
        """Identity of the rows of several tasks."""
        parts = (self.split_digest(task, seed, shots) for task in tasks for seed in seeds)
        return sha256(" ".join(parts).encode()).hexdigest()[:12]

    def tokens(
        self, task: str, seed: int, shots: Shots | None = None, max_target: int | None = None
    ) -> TokenSplit:
        """The task's split, tokenised when its rows are first read, if no earlier start has.

        Its targets are cut at the backbone's ``max_target`` unless another is given.
        """
        config = self.backbone_config
        key = (task, seed, shots, max_target or config.max_target)
        if key not in self._tokens:
            self._tokens[key] = TokenSplit(
                self.gym.split(task, seed, shots),
                self._encode,
                config.max_input,
                max_target or config.max_target,
                self._token_cache,
                before=config.before(task),
            )
        return self._tokens[key]

    def check(
        self, tasks: Iterable[str], seeds: Iterable[int], shots: Shots | None, *, scored: bool
    ) -> None:
        """See what of the tasks' rows can be read and written, before anything is trained on them.

        Args:
            tasks: which.
            seeds: data seeds.
            shots: see ``tokens``.
            scored: the tasks are tuned on and scored; else only their train and dev rows count.

        Raises:
            DataError: a task that is scored, and of whose answers none can be written; unless
                ``computes`` is false.
        """
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
        """What ``check`` has seen, each part once."""
        return tuple(self._reaches.values())

    def learn(self, configs: Sequence[RunConfig], on_step: OnStep) -> list[Unit]:
        """Meta-train a pack; each run's prompt is its artefact, its losses are its result.

        Raises:
            Stopped: the time is up; the pack's checkpoint is written.
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
        )
        return self._units(configs, ends, time.monotonic() - began)

    def cells_that_fit(self, configs: Sequence[CellConfig]) -> int:
        """How many cells a pass has room for, the last one being the longest."""
        return cells_that_fit(self._cell_job(configs[-1]), self.backbone)

    def tune(self, configs: Sequence[CellConfig], on_step: OnStep) -> list[Unit]:
        """Tune a pack of downstream cells; each one's best-dev prompt is its artefact."""
        began = time.monotonic()
        jobs = [self._cell_job(config) for config in configs]
        ends = tune(jobs, self.backbone, on_step=on_step)
        return self._units(configs, ends, time.monotonic() - began)

    def _engine(self, name: str) -> str:
        """The engine asked for, where the method has it: a promotion runs several methods."""
        return self.meta_engine if self.meta_engine in method(name).engines else "auto"

    def _meta_job(self, config: RunConfig) -> MetaJob:
        pairs = [(task, seed) for task in config.sources for seed in config.data_seeds]
        cut = config.habits.max_target if config.habits else None
        units = tuple(self.tokens(task, seed, config.shots, cut) for task, seed in pairs)
        return MetaJob(config, units, start_of(config, self.backbone, self.home, self.sums))

    def fine_tune(self, configs: Sequence[FineTuneConfig], on_step: OnStep) -> list[Unit]:
        """Fine-tune the whole model for each cell, one after the other; no weights are kept."""
        units = []
        for config in configs:
            began = time.monotonic()
            split = self.tokens(config.task, config.data_seed, config.shots)
            end = fine_tune(FineTuneJob(config, split), self.backbone, on_step=on_step)
            units += self._units([config], [end], time.monotonic() - began)
        return units

    def _cell_job(self, config: CellConfig) -> CellJob:
        split = self.tokens(config.task, config.data_seed, config.shots)
        return CellJob(config, split, start_of(config, self.backbone, self.home, self.sums))

    def _encode(self, texts: Sequence[str], limit: int, role: Role) -> list:
        return self.backbone.encode(texts, limit, role)

    def _units(
        self,
        configs: Sequence[UnitConfig],
        ends: Sequence[Learned | Tuned | FineTuned | Diverged],
        seconds: float,
    ) -> list[Unit]:
        """The units of a pack, which took so many seconds."""
        made = Numerics.model_validate({**numerics(self.backbone.device), "pack": len(configs)})
        share = seconds / len(configs)
        return [self._unit(c, end, share, made) for c, end in zip(configs, ends, strict=True)]

    def _unit(
        self,
        config: UnitConfig,
        end: Learned | Tuned | FineTuned | Diverged,
        seconds: float,
        made: Numerics,
    ) -> Unit:
        artefact, result = None, _result(end, made)
        if isinstance(end, Learned | Tuned):
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


def _about(config: Frozen) -> dict[str, str]:
    return {"digest": config.digest, "config": config.model_dump_json()}


def _result(end: Learned | Tuned | FineTuned | Diverged, made: Numerics) -> Result:
    """What a unit came to, as it is stored."""
    if isinstance(end, Diverged):
        return DivergedResult(step=end.step, reason=str(end), software=software(), numerics=made)
    plan = StepRecord.model_validate(asdict(end.plan)) if end.plan else None
    if isinstance(end, Learned):
        # written only where there is any
        learned = {"learned": end.learned} if end.learned else {}
        return MetaResult(curve=end.curve, plan=plan, software=software(), numerics=made, **learned)
    return CellResult(
        dev=end.dev,
        test=end.test,
        best_step=end.best_step,
        dev_evals=end.evals,
        curve=end.curve,
        plan=plan,
        software=software(),
        numerics=made,
    )


def restore_worker(
    gym: str,
    backbone: str,
    root: Path,
    device: str | None,
    meta_engine: str,
    folder: Path,
    stopping: Stopping,
    sums: Mapping[str, str],
) -> Worker:
    """Open a worker in this process, once, as its driver opened it.

    Args:
        backbone: its configuration as JSON.
        root: the home folder; the stores of a home are the driver's alone.
        folder: where the driver was started, in which relative paths are meant.
        sums: of the prompts that units begin from.

    Raises:
        StoreError: the home folder is not there.
        DataError: the gym is not there.
    """
    if not root.is_dir():
        raise StoreError(
            f"the home folder {root} is not there on {gethostname()}; set MPT_HOME to a folder "
            "that all machines share under one path"
        )
    with suppress(OSError):
        os.chdir(folder)
    worker = _opened(gym, backbone, root, device, meta_engine)
    worker.stopping, worker.sums = stopping, dict(sums)
    return worker


@lru_cache(maxsize=1)
def _opened(gym: str, backbone: str, root: Path, device: str | None, meta_engine: str) -> Worker:
    config, home = BackboneConfig.model_validate_json(backbone), Home.find({"MPT_HOME": str(root)})
    return Worker(open_gym(gym), config, home, device, meta_engine)
