"""The story of every experiment: configurations, what the ledger lacks, packs, records, scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from math import ceil
from typing import Any, Literal, TypeVar

from mpt.compute.failures import Failure
from mpt.compute.fleet import Fleet, LocalFleet
from mpt.compute.progress import OnStep, Progress, Silent
from mpt.compute.prompt_starts import sums_of
from mpt.compute.remote_worker import expect_artefact, expect_inputs
from mpt.compute.stopping import Stopped
from mpt.compute.worker import Worker
from mpt.config import (
    FINE_TUNING,
    FULL_LRS,
    CellConfig,
    FineTuneConfig,
    FineTuning,
    RunConfig,
    Shots,
    Tuning,
    located,
)
from mpt.engine.pack import cell_shape, packs, run_shape
from mpt.errors import StoreError
from mpt.gym.reach import CURE, reach_lines
from mpt.methods import method
from mpt.stats.scores import Score
from mpt.store.artefacts import prompt_of
from mpt.store.ledger import Ledger, Unit
from mpt.store.results import CellResult, Numerics
from mpt.store.row_checks import expect_sound
from mpt.study.error_policy import Errors

BASELINE = "PT"
"""Plain prompt tuning: the same cells from vocabulary rows."""

FULL = "FT"
"""Full fine-tuning, the second baseline: a ``Case`` whose start is ``FINE_TUNING``."""

Config = TypeVar("Config", RunConfig, CellConfig, FineTuneConfig)
Compute = Callable[[Worker, Sequence[Config], OnStep], list[Unit]]
Cell = CellConfig | FineTuneConfig
PackSize = int | Literal["auto"]
"""How many share a pass; ``auto``: as many as a probe finds room for."""


@dataclass(frozen=True)
class Case:
    """A start to be judged: which prompt, on which target tasks, under which names.

    Attributes:
        start: ``VOCABULARY``, the digest of a ``RunConfig``, or ``FINE_TUNING``.
    """

    setting: str
    method: str
    start: str
    tasks: tuple[str, ...]
    meta_seed: int = 0


@dataclass(frozen=True)
class Judging:
    """How targets are tuned: data seeds, learning rates (best dev wins), budget and shots.

    Attributes:
        full_lrs, fine_tuning: the rates and budget of full fine-tuning.
    """

    seeds: tuple[int, ...]
    lrs: tuple[float, ...]
    tuning: Tuning
    shots: Shots | None = None
    full_lrs: tuple[float, ...] = FULL_LRS
    fine_tuning: FineTuning = field(default_factory=FineTuning)


@dataclass
class Lab:
    """Settles units of work: what the ledger holds is never computed again.

    A unit that is settled is recorded; ``Stopped`` is raised when the worker was asked to stop
    before all are. What goes wrong is answered as the table ``errors`` says: a unit comes back as
    ``failed``, or its error is raised.

    Attributes:
        computed: units computed since the lab was opened.
        reused: units that the ledger held before.
        on_units: told of units found in the ledger, and of every one that is recorded.
    """

    worker: Worker
    ledger: Ledger
    fleet: Fleet = field(default_factory=LocalFleet)
    progress: Progress = field(default_factory=Silent)
    errors: Errors = field(default_factory=Errors)
    on_units: Callable[[Iterable[Unit]], None] = lambda units: None
    computed: int = 0
    reused: int = 0
    _counted: set[str] = field(default_factory=set)
    _warned: set[str] = field(default_factory=set)
    _revised: set[str] = field(default_factory=set)
    _said_renamed: bool = False
    _numerics: Numerics | None = None
    _said_mixed: bool = False

    def learn(self, configs: Sequence[RunConfig], title: str, pack: int) -> dict[str, Unit]:
        """Meta-trainings, whole or paused, by digest, all settled."""
        self._tell_revised(configs)
        units = self._settle(
            configs,
            title=title,
            steps=lambda config: config.updates,
            shape=run_shape,
            size=lambda left: pack,
            compute=Worker.learn,
        )
        for digest in units:
            self.worker.checkpoints.drop(digest)
        return units

    def tune(self, configs: Sequence[CellConfig], title: str, pack: PackSize) -> dict[str, Unit]:
        """Downstream cells by digest, all settled; neighbours of like length share a pack."""
        return self._settle(
            sorted(configs, key=self.length),
            title=title,
            steps=lambda config: config.tuning.steps,
            shape=cell_shape,
            size=lambda left: self.worker.cells_that_fit(left) if pack == "auto" else pack,
            compute=Worker.tune,
        )

    def fine_tune(self, configs: Sequence[FineTuneConfig], title: str) -> dict[str, Unit]:
        """Cells of full fine-tuning by digest, all settled, one at a time."""
        return self._settle(
            configs,
            title=title,
            steps=lambda config: config.tuning.steps,
            shape=lambda config: config.digest,
            size=lambda left: 1,
            compute=Worker.fine_tune,
        )

    def metric_of(self, task: str) -> str:
        """What a task is scored by."""
        return self.worker.gym.card(task).metric

    def cells(self, case: Case, judging: Judging) -> Sequence[Cell]:
        """The downstream cells of a case: task x seed x learning rate."""
        found = [
            {
                **self.worker.model.fields(self.worker.backbone_config),
                "task": task,
                "data_seed": seed,
                "data": self.worker.split_digest(task, seed, judging.shots),
                "shots": judging.shots,
            }
            for task in case.tasks
            for seed in judging.seeds
        ]

        def rows_of(cell: Mapping[str, Any]) -> int:
            return len(
                self.worker.tokens(cell["task"], cell["data_seed"], judging.shots).split.train
            )

        if case.start == FINE_TUNING:
            return [
                FineTuneConfig(**cell, lr=lr, tuning=judging.fine_tuning.for_rows(rows_of(cell)))
                for cell in found
                for lr in judging.full_lrs
            ]
        return [
            CellConfig(
                **cell, start=case.start, lr=lr, tuning=judging.tuning.for_rows(rows_of(cell))
            )
            for cell in found
            for lr in judging.lrs
        ]

    def judge(
        self, cases: Sequence[Case], judging: Judging, *, title: str, pack: PackSize
    ) -> list[Judged]:
        """Tune and score the cells of every case, packed together whatever case they are of."""
        for case in cases:
            self.worker.check(case.tasks, judging.seeds, judging.shots, scored=True)
        wanted = [(case, cell) for case in cases for cell in self.cells(case, judging)]
        units = self.tune([c for _, c in wanted if isinstance(c, CellConfig)], title, pack)
        full = [cell for _, cell in wanted if isinstance(cell, FineTuneConfig)]
        units |= self.fine_tune(full, f"{title}: full fine-tuning")
        return [Judged(case, cell, units[cell.digest]) for case, cell in wanted]

    def _tell_revised(self, configs: Sequence[RunConfig]) -> None:
        """Say once of a method that what the ledger holds of it is computed again."""
        fresh = [c for c in configs if c.revision and c.method not in self._revised]
        held = self.ledger.get_many(digest for c in fresh for digest in (c.digest, c.root))
        for config in fresh:
            name, why = config.method, method(config.method).revision
            again = config.root in held and config.digest not in held
            if why and again and name not in self._revised:
                self._revised.add(name)
                self.progress.say(
                    f"{name} runs that the ledger holds from before are computed again: {why.why}"
                )

    def _settle(
        self,
        configs: Sequence[Config],
        *,
        title: str,
        steps: Callable[[Config], int],
        shape: Callable[[Config], Hashable],
        size: Callable[[Sequence[Config]], int],
        compute: Compute[Config],
    ) -> dict[str, Unit]:
        self._say_reach()
        distinct = {config.digest: config for config in configs}
        held = self.ledger.get_many(distinct)
        units = {digest: unit for digest, unit in held.items() if unit.state != "failed"}
        left = [config for digest, config in distinct.items() if digest not in units]
        self.reused += len(units.keys() - self._counted)
        self._counted.update(distinct)
        self.on_units(units.values())
        expect_sound(units.values(), self.metric_of)
        self._say_if_mixed(units.values())
        for unit in units.values():
            # of cells nobody reads the prompt unless it is asked for by name
            if unit.kind == RunConfig.kind and unit.artefact:
                prompt_of(self.worker.home, unit)
        if not left:
            return units
        self.worker.sums |= sums_of(left, self.ledger)
        self._say_if_renamed(left)
        job, stopping = partial(_attempt, self.worker, compute), self.worker.stopping
        # packs shrink where that keeps every slot at work: how runs are packed changes no result
        # beyond rounding
        most = min(size(left), ceil(len(left) / self.fleet.slots))
        waiting: list[Sequence[Config]] = [*packs(left, shape=shape, size=most)]
        with self.progress.stage(title, sum(map(steps, left))) as advance:
            while waiting:
                halves: list[Sequence[Config]] = []
                wanted = takewhile(lambda _: not stopping.reason, waiting)
                for end in self.fleet.map(job, wanted, advance):
                    if isinstance(end, Failure) and (pieces := self._pieces(end)):
                        halves += pieces
                        continue
                    ended = self._failed(end) if isinstance(end, Failure) else end
                    self._record(ended)
                    units |= {unit.digest: unit for unit in ended}
                waiting = halves
        if missing := len(distinct.keys() - units.keys()):
            raise Stopped(f"{stopping.reason}: {title}: {missing} of {len(distinct)} runs are left")
        return units

    def _record(self, ended: Sequence[Unit]) -> None:
        """Record a pack whole or not at all, so that what a kill leaves is cut into the packs that
        it would have been cut into anyway."""
        for unit in ended:
            expect_artefact(self.worker.home, unit)
        self.ledger.record(*ended)
        self.on_units(ended)
        self.computed += sum(unit.state != "failed" for unit in ended)
        self._say_if_mixed(ended)

    def _say_if_mixed(self, units: Iterable[Unit]) -> None:
        """Say once that units were computed on other threads or kernels than those before."""
        for unit in units:
            made = unit.result.numerics
            if self._said_mixed or made is None:
                continue
            first = self._numerics = self._numerics or made
            if other := [name for name, way in made.ways.items() if way != first.ways.get(name)]:
                self._said_mixed = True
                ways = "; ".join(
                    f"{name} {first.ways.get(name)} and {made.ways[name]}" for name in other
                )
                self.progress.say(
                    f"warning: what is compared here was computed in two ways ({ways}), which "
                    "round differently, and training makes much of rounding; "
                    f"OMP_NUM_THREADS={first.threads} on the machine of the first units "
                    "computes as they were"
                )

    def _say_if_renamed(self, left: Sequence[Config]) -> None:
        """Say once that units were recorded under the backbone's earlier, narrower identity."""
        earlier = None if self._said_renamed else self.worker.earlier_weights
        if earlier is None:
            return
        names = self.worker.names_of(earlier)
        renamed = [
            type(c).model_validate(
                {**known, "weights": earlier, "backbone": {**known["backbone"], "name": name}}
            )
            for c in left
            for known in [c.model_dump()]
            for name in names
        ]
        if count := len(self.ledger.get_many(config.digest for config in renamed)):
            self._said_renamed = True
            name = located(left[0]).name
            self.progress.say(
                f"note: {count} units were recorded under the earlier identity {earlier} of "
                f"{name}, which left out its configuration, generation settings "
                f"and part of its tokenizer; they are computed again as {left[0].weights}"
            )

    def _say_reach(self) -> None:
        """Once for each task: how many of its inputs are cut, and answers cannot be written."""
        new = [one for one in self.worker.reaches if one.task not in self._warned]
        self._warned.update(one.task for one in new)
        lines = reach_lines(new)
        for line in lines:
            self.progress.say(f"warning: {line}")
        if lines:
            self.progress.say(CURE)

    def _pieces(self, failure: Failure[Config]) -> list[Sequence[Config]]:
        """What of a failed pack is tried again: less of it at once, unless the table says stop."""
        halves = [] if self.errors.stops_at(failure.kind) else failure.halves()
        if halves:
            runs, half = len(failure.pack), len(halves[0])
            self.progress.say(f"warning: {failure.shown} with {runs} runs; trying {half}")
        return halves

    def _failed(self, failure: Failure[Config]) -> list[Unit]:
        """Units that failed; recorded, and the error raised, where the table says stop."""
        units = failure.units()
        if self.errors.stops_at(failure.kind):
            for unit in units:
                self.ledger.record(unit)
            raise failure.error
        self.progress.say(f"warning: a run failed and the others go on: {failure.reason}")
        return units

    def length(self, config: CellConfig) -> int:
        """By which cells are sorted into packs: characters of the longest training input."""
        split = self.worker.tokens(config.task, config.data_seed, config.shots).split
        return max(len(example.input) for example in split.train)


def _attempt(
    worker: Worker, compute: Compute[Config], pack: Sequence[Config], on_step: OnStep
) -> list[Unit] | Failure[Config]:
    """What a fleet computes; here or elsewhere, so it is a plain function of what can be sent."""
    try:
        for config in pack:
            expect_inputs(worker, config)
        return compute(worker, pack, on_step)
    except (Stopped, StoreError):
        # nothing is wrong with the pack
        raise
    except Exception as error:
        return Failure(pack, error)


@dataclass(frozen=True)
class Judged:
    """A cell, the case it was tuned for and its record."""

    case: Case
    cell: Cell
    unit: Unit

    @property
    def score(self) -> Score | None:
        """What it scored; None when it diverged."""
        result, case, cell = self.unit.result, self.case, self.cell
        if not isinstance(result, CellResult):
            return None
        place = (case.setting, case.method, cell.task, cell.data_seed)
        return Score(*place, result.dev, result.test, cell.lr, case.meta_seed)


def scores(judged: Sequence[Judged]) -> list[Score]:
    """The scores of all cells that did not diverge."""
    return [found for one in judged if (found := one.score) is not None]
