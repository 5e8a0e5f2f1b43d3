"""Run experiments: from configurations to the missing units, packs, records and scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product, takewhile
from math import ceil
from typing import Literal, TypeVar

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
from mpt.study.study import Study

BASELINE = "PT"
"""Plain prompt tuning, the baseline: the same cells, started from vocabulary rows."""

FULL = "FT"
"""Full fine-tuning, the second baseline: a ``EvalTarget`` whose start is ``FINE_TUNING``."""

Config = TypeVar("Config", RunConfig, CellConfig, FineTuneConfig)
Compute = Callable[[Worker, Sequence[Config], OnStep], list[Unit]]
Cell = CellConfig | FineTuneConfig
PackSize = int | Literal["auto"]
"""Number of runs per pack; ``auto``: as many as fit into memory, by measurement."""


@dataclass(frozen=True)
class EvalTarget:
    """Define an eval target: a prompt, the tasks to evaluate it on, and the names of its scores.

    Attributes:
        start: ``VOCABULARY``, the digest of a ``RunConfig``, or ``FINE_TUNING``.
    """

    setting: str
    method: str
    start: str
    tasks: tuple[str, ...]
    meta_seed: int = 0


@dataclass(frozen=True)
class EvalProtocol:
    """Define an eval protocol: data seeds, learning rates (chosen on dev), tuning budget and shots.

    Attributes:
        full_lrs: learning rates of full fine-tuning.
        fine_tuning: budget of full fine-tuning.
    """

    seeds: tuple[int, ...]
    lrs: tuple[float, ...]
    tuning: Tuning
    shots: Shots | None = None
    full_lrs: tuple[float, ...] = FULL_LRS
    fine_tuning: FineTuning = field(default_factory=FineTuning)

    @classmethod
    def final(cls, study: Study) -> EvalProtocol:
        """Return the eval protocol of a study's targets."""
        final = study.final
        return cls(
            final.seeds,
            final.lrs,
            study.tuning,
            study.target_shots,
            full_lrs=final.fine_tuning.lrs,
            fine_tuning=study.fine_tuning,
        )


@dataclass
class Lab:
    """Run missing units of work; results in the ledger are never computed again.

    Every completed unit is recorded; ``Stopped`` is raised if the worker is asked to stop before
    all are completed. Errors are handled by the policy ``errors``: a unit is returned as
    ``failed``, or its error is raised.

    Attributes:
        computed: number of units computed since the lab was opened.
        reused: number of units that the ledger had before.
        on_units: called with units from the ledger, and with every unit that is recorded.
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
    _generated: set[str] = field(default_factory=set)
    _said_renamed: bool = False
    _numerics: Numerics | None = None
    _said_mixed: bool = False

    def learn(self, configs: Sequence[RunConfig], title: str, pack: PackSize) -> dict[str, Unit]:
        """Run missing meta-trainings, whole or paused, and return all of them by digest."""
        self._tell_revised(configs)
        units = self._run_missing(
            configs,
            title=title,
            steps=lambda config: config.updates,
            shape=run_shape,
            size=lambda left: self._probed(Worker.runs_that_fit, left) if pack == "auto" else pack,
            compute=Worker.learn,
        )
        for digest in units:
            self.worker.checkpoints.drop(digest)
        return units

    def tune(self, configs: Sequence[CellConfig], title: str, pack: PackSize) -> dict[str, Unit]:
        """Run missing downstream cells, packed by input length; return all of them by digest."""
        return self._run_missing(
            sorted(configs, key=self.length),
            title=title,
            steps=lambda config: config.tuning.steps,
            shape=cell_shape,
            size=lambda left: (
                self._probed(Worker.cells_that_fit, left[-1:]) if pack == "auto" else pack
            ),
            compute=Worker.tune,
        )

    def fine_tune(self, configs: Sequence[FineTuneConfig], title: str) -> dict[str, Unit]:
        """Run missing cells of full fine-tuning one at a time, and return all of them by digest."""
        return self._run_missing(
            configs,
            title=title,
            steps=lambda config: config.tuning.steps,
            shape=lambda config: config.digest,
            size=lambda left: 1,
            compute=Worker.fine_tune,
        )

    def _probed(
        self, fitting: Callable[[Worker, Sequence[Config]], int], left: Sequence[Config]
    ) -> int:
        """Ask the fleet how many of these units fit into a pass on its device."""
        return next(self.fleet.map(partial(_fitting, self.worker, fitting), [left], _no_steps))

    def metric_of(self, task: str) -> str:
        """Return the metric of a task."""
        return self.worker.gym.card(task).metric

    def cells(self, eval_target: EvalTarget, eval_protocol: EvalProtocol) -> Sequence[Cell]:
        """List the downstream cells of an eval target: task x seed x learning rate."""
        worker, shots = self.worker, eval_protocol.shots
        cells: list[Cell] = []
        for task, seed in product(eval_target.tasks, eval_protocol.seeds):
            fields = {
                **worker.model.fields(worker.backbone_config),
                "task": task,
                "data_seed": seed,
                "data": worker.split_digest(task, seed, shots),
                "shots": shots,
            }
            rows = len(worker.tokens(task, seed, shots).split.train)
            if eval_target.start == FINE_TUNING:
                budget = eval_protocol.fine_tuning.for_rows(rows)
                cells += [
                    FineTuneConfig(**fields, lr=lr, tuning=budget) for lr in eval_protocol.full_lrs
                ]
            else:
                start, tuning = eval_target.start, eval_protocol.tuning.for_rows(rows)
                cells += [
                    CellConfig(**fields, start=start, lr=lr, tuning=tuning)
                    for lr in eval_protocol.lrs
                ]
        return cells

    def evaluate_cells(
        self,
        eval_targets: Sequence[EvalTarget],
        eval_protocol: EvalProtocol,
        *,
        title: str,
        pack: PackSize,
    ) -> list[EvaluatedCell]:
        """Tune and score the cells of all eval targets, which may share packs."""
        for eval_target in eval_targets:
            self.worker.check(
                eval_target.tasks, eval_protocol.seeds, eval_protocol.shots, scored=True
            )
        wanted = [
            (eval_target, cell)
            for eval_target in eval_targets
            for cell in self.cells(eval_target, eval_protocol)
        ]
        return self.complete(wanted, title=title, pack=pack)

    def complete(
        self, wanted: Sequence[tuple[EvalTarget, Cell]], *, title: str, pack: PackSize
    ) -> list[EvaluatedCell]:
        """Tune and score cells of any eval protocols, packed together where their shapes agree."""
        self._say_generated([cell for _, cell in wanted])
        units = self.tune([c for _, c in wanted if isinstance(c, CellConfig)], title, pack)
        full = [cell for _, cell in wanted if isinstance(cell, FineTuneConfig)]
        units |= self.fine_tune(full, f"{title}: full fine-tuning")
        return [
            EvaluatedCell(eval_target, cell, units[cell.digest]) for eval_target, cell in wanted
        ]

    def _tell_revised(self, configs: Sequence[RunConfig]) -> None:
        """Report once per method that its earlier results are computed again after a revision."""
        revised = [c for c in configs if c.revision and c.method not in self._revised]
        recorded = self.ledger.get_many(digest for c in revised for digest in (c.digest, c.root))
        for config in revised:
            name, why = config.method, method(config.method).revision
            again = config.root in recorded and config.digest not in recorded
            if why and again and name not in self._revised:
                self._revised.add(name)
                self.progress.say(
                    f"earlier {name} runs in the ledger are computed again: {why.why}"
                )

    def _run_missing(
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
        recorded = self.ledger.get_many(distinct)
        units = {digest: unit for digest, unit in recorded.items() if unit.state != "failed"}
        left = [config for digest, config in distinct.items() if digest not in units]
        self.reused += len(units.keys() - self._counted)
        self._counted.update(distinct)
        self.on_units(units.values())
        expect_sound(units.values(), self.metric_of)
        self._say_if_mixed(units.values())
        for unit in units.values():
            # prompts of cells are read only when a user names them
            if unit.kind == RunConfig.kind and unit.artefact:
                prompt_of(self.worker.home, unit)
        if not left:
            return units
        self.worker.sums |= sums_of(left, self.ledger)
        self._say_if_renamed(left)
        job, stopping = partial(_attempt, self.worker, compute), self.worker.stopping
        # smaller packs keep every slot busy, and packing changes results only by rounding
        most = min(size(left), ceil(len(left) / self.fleet.slots))
        waiting: list[Sequence[Config]] = [*packs(left, shape=shape, size=most)]
        with self.progress.stage(title, sum(map(steps, left))) as advance:
            while waiting:
                halves: list[Sequence[Config]] = []
                to_run = takewhile(lambda _: not stopping.reason, waiting)
                for end in self.fleet.map(job, to_run, advance):
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
        """Record a pack atomically, so that a resumed run has the same packs as without a kill."""
        for unit in ended:
            expect_artefact(self.worker.home, unit)
        self.ledger.record(*ended)
        self.on_units(ended)
        self.computed += sum(unit.state != "failed" for unit in ended)
        self._say_if_mixed(ended)

    def _say_if_mixed(self, units: Iterable[Unit]) -> None:
        """Warn once that units were computed with other threads or kernels than earlier ones."""
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
                    f"warning: units compared here were computed in two ways ({ways}), whose "
                    "rounding differs, and training amplifies rounding; set "
                    f"OMP_NUM_THREADS={first.threads} on the machine of the first units to compute "
                    "like them"
                )

    def _say_if_renamed(self, left: Sequence[Config]) -> None:
        """Report once that units were recorded under the backbone's earlier, narrower identity."""
        earlier = None if self._said_renamed else self.worker.earlier_weights
        if earlier is None:
            return
        names = self.worker.names_of(earlier)
        renamed = [
            type(c).model_validate(
                {**fields, "weights": earlier, "backbone": {**fields["backbone"], "name": name}}
            )
            for c in left
            for fields in [c.model_dump()]
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
        """Warn once per task about inputs that are truncated and answers that are too long."""
        new = [reach for reach in self.worker.reaches if reach.task not in self._warned]
        self._warned.update(reach.task for reach in new)
        lines = reach_lines(new)
        for line in lines:
            self.progress.say(f"warning: {line}")
        if lines:
            self.progress.say(CURE)

    def _say_generated(self, cells: Iterable[Cell]) -> None:
        """Report once per task that it has no labels by which it could be scored."""
        scored = {c.task: c for c in cells if c.tuning.scoring == "labels"}
        free = [
            task
            for task, c in scored.items()
            if task not in self._generated
            and not self.worker.tokens(task, c.data_seed, c.shots).has_labels
        ]
        self._generated.update(free)
        if free:
            self.progress.say(
                f"scoring: labels: {', '.join(free)}: answers are free, so they are generated"
            )

    def _pieces(self, failure: Failure[Config]) -> list[Sequence[Config]]:
        """Split a failed pack into halves to try again, unless the error policy says stop."""
        halves = [] if self.errors.stops_at(failure.kind) else failure.halves()
        if halves:
            runs, half = len(failure.pack), len(halves[0])
            self.progress.say(f"warning: {failure.shown} with {runs} runs; trying {half}")
        return halves

    def _failed(self, failure: Failure[Config]) -> list[Unit]:
        """Return the failed units of a pack; if the error policy says stop, record and raise."""
        units = failure.units()
        if self.errors.stops_at(failure.kind):
            for unit in units:
                self.ledger.record(unit)
            raise failure.error
        self.progress.say(f"warning: a run failed, the others continue: {failure.reason}")
        return units

    def length(self, config: CellConfig) -> int:
        """Return the length in characters of a cell's longest training input, to sort packs by."""
        split = self.worker.tokens(config.task, config.data_seed, config.shots).split
        return max(len(example.input) for example in split.train)


def _attempt(
    worker: Worker, compute: Compute[Config], pack: Sequence[Config], on_step: OnStep
) -> list[Unit] | Failure[Config]:
    """Compute a pack in this or another process; a module-level function, so it can be pickled."""
    try:
        for config in pack:
            expect_inputs(worker, config)
        return compute(worker, pack, on_step)
    except (Stopped, StoreError):
        # the pack itself is not at fault
        raise
    except Exception as error:
        return Failure(pack, error)


def _fitting(
    worker: Worker,
    fitting: Callable[[Worker, Sequence[Config]], int],
    units: Sequence[Config],
    on_step: OnStep,
) -> int:
    """Size packs by this device; a module-level function, so it can be pickled."""
    return fitting(worker, units)


def _no_steps(steps: int) -> None:
    """Hear of no steps: a probe takes none of any unit."""


@dataclass(frozen=True)
class EvaluatedCell:
    """Hold a cell result: the cell, the eval target it was tuned for, and its unit."""

    eval_target: EvalTarget
    cell: Cell
    unit: Unit

    @property
    def score(self) -> Score | None:
        """Return its score; None if it diverged or failed."""
        result, eval_target, cell = self.unit.result, self.eval_target, self.cell
        if not isinstance(result, CellResult):
            return None
        place = (eval_target.setting, eval_target.method, cell.task, cell.data_seed)
        return Score(*place, result.dev, result.test, cell.lr, eval_target.meta_seed)


def scores(evaluated: Sequence[EvaluatedCell]) -> list[Score]:
    """Return the scores of all cells that have one."""
    return [score for cell_result in evaluated if (score := cell_result.score) is not None]
