"""Measure the room of tasks: a prompt tuned on plenty of rows, beside plain few-shot tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan

from mpt.compute.progress import Progress
from mpt.compute.worker import Worker
from mpt.config import FINE_TUNING, VOCABULARY, Shots
from mpt.errors import ConfigError, DataError, TooFewTasks
from mpt.gym.labels import chance_level, majority_score
from mpt.gym.plenty import plenty
from mpt.gym.source import MINI
from mpt.lab.costs.workload import Workload, WorkloadRow, workload_of
from mpt.lab.run import (
    BASELINE,
    FULL,
    Cell,
    EvalProtocol,
    EvalTarget,
    EvaluatedCell,
    Lab,
)
from mpt.stats.room import TaskRoom, still_rising
from mpt.stats.scores import best_dev
from mpt.store.results import CellResult
from mpt.study.settings import settings_of
from mpt.study.study import Study

ORACLE = "oracle"
"""Method under which the scores of prompts tuned on plenty of rows are recorded."""

FEW_SHOT = "few-shot"
"""Name of the set of tasks that plain prompt tuning and full fine-tuning are scored on."""

ROWS = 2_000
"""Training rows of an oracle on the embedded gym."""

UPDATES = 400
"""Updates of an oracle. On the embedded gym most dev curves are flat after 300, at the rate of 0.5
(sweeps/LOG.md)."""

NUM_EVALS = 8
"""Evaluations of an oracle on dev, of which the last quarter of its updates has two."""

DEV_ROWS = 256
"""Dev rows of an oracle that are scored at most."""

Wanted = list[tuple[EvalTarget, Cell]]


@dataclass(frozen=True)
class OracleBudget:
    """Define what an oracle may use.

    Attributes:
        rows: training rows on the embedded gym, ``ROWS`` by default; a folder gives all it has.
        updates: of its prompt.
        rates: learning rates, of which dev chooses; by default the largest and the smallest of the
            study's ``final``.
    """

    rows: int | None = None
    updates: int = UPDATES
    rates: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("rows", "updates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}", fix="give a whole number above 0")
        if odd := [rate for rate in self.rates if not 0 < rate < float("inf")]:
            raise ConfigError(f"a rate is {odd[0]:g}", fix="give numbers above 0, such as 0.5,0.2")


@dataclass(frozen=True)
class RoomPlan:
    """Hold what is measured: tasks, and the number of shots that gives each plenty of rows.

    Attributes:
        left_out: why tasks of the gym are not measured, a sentence each.
        fine_tuned: whether full fine-tuning is measured too.
    """

    study: Study
    shots: Mapping[str, Shots]
    budget: OracleBudget
    fine_tuned: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that are measured."""
        return tuple(self.shots)

    @cached_property
    def few_shot(self) -> EvalProtocol:
        """Return the protocol of the study's targets."""
        return EvalProtocol.final(self.study)

    def of_oracle(self, task: str) -> EvalProtocol:
        """Return the protocol of a task's oracle: one data seed, many updates, a part of dev."""
        final, updates = self.study.final, self.budget.updates
        budget = {"steps": updates, "num_evals": min(NUM_EVALS, updates), "dev_rows": DEV_ROWS}
        tuning = self.study.tuning.model_copy(update={**budget, "epochs": None})
        rates = self.budget.rates or tuple(dict.fromkeys((max(final.lrs), min(final.lrs))))
        return EvalProtocol(final.seeds[:1], rates, tuning, self.shots[task])


def plan_room(
    study: Study,
    tasks: Sequence[str],
    budget: OracleBudget,
    worker: Worker,
    *,
    fine_tuned: bool,
    progress: Progress,
) -> RoomPlan:
    """Find how many rows each task can give, and read them; writes nothing.

    Args:
        tasks: names; by default all of the gym's, without those that cannot be measured.

    Raises:
        UnknownName: the gym lacks a task.
        ConfigError: a number of rows that is not plenty, or one for a folder.
        DataError: rows cannot be read or answered, or there are too few of them, of a task that is
            named or of every task.
    """
    if budget.rows is not None and worker.gym.name != MINI:
        raise ConfigError(
            f"rows is {budget.rows}, but only the embedded gym generates rows",
            fix="leave it out: a task of a folder gives all that it has",
        )
    for task in tasks:
        worker.gym.card(task)
    shots: dict[str, Shots] = {}
    faults: list[DataError] = []
    chosen = tasks or worker.gym.tasks
    with progress.stage("reading the rows of tasks", len(chosen)) as advance:
        for task in chosen:
            try:
                shots[task] = _readable_shots(study, task, budget.rows or ROWS, worker)
            except DataError as fault:
                if tasks:
                    raise
                faults.append(fault)
            advance(1)
    if faults and not shots:
        raise faults[0]
    return RoomPlan(study, shots, budget, fine_tuned, tuple(fault.what for fault in faults))


def _readable_shots(study: Study, task: str, rows: int, worker: Worker) -> Shots:
    """Return the shots that give a task plenty of rows, which can be read and answered."""
    final, few = study.final, study.target_shots
    shots = plenty(worker.gym, task, final.seeds[0], rows, few_shots=few)
    worker.check([task], final.seeds, few, scored=True)
    worker.check([task], final.seeds[:1], shots, scored=True)
    return shots


def room_work(plan: RoomPlan, lab: Lab) -> Workload:
    """List what ``measure`` would run."""
    rows = []
    for wanted in (_few_shot(plan, lab), _oracles(plan, lab)):
        for method in dict.fromkeys(target.method for target, _ in wanted):
            cells = [cell for target, cell in wanted if target.method == method]
            rows.append(WorkloadRow("room", method, tuple(cells)))
    return workload_of(plan.study, rows, lab.ledger, plan.left_out)


def measure(plan: RoomPlan, lab: Lab) -> list[TaskRoom]:
    """Run the missing cells, packed over tasks and rates, and return the room of every task."""
    pack = plan.study.cells_per_pack
    few_shot = lab.complete(_few_shot(plan, lab), title="few-shot tuning", pack=pack)
    oracles = lab.complete(_oracles(plan, lab), title="oracles", pack=pack)
    return [_room(plan, task, few_shot, oracles, lab) for task in plan.tasks]


def _few_shot(plan: RoomPlan, lab: Lab) -> Wanted:
    targets = [EvalTarget(FEW_SHOT, BASELINE, VOCABULARY, plan.tasks)]
    if plan.fine_tuned:
        targets.append(EvalTarget(FEW_SHOT, FULL, FINE_TUNING, plan.tasks))
    return [(target, cell) for target in targets for cell in lab.cells(target, plan.few_shot)]


def _oracles(plan: RoomPlan, lab: Lab) -> Wanted:
    return [
        (target, cell)
        for task in plan.tasks
        for target in [EvalTarget(ORACLE, ORACLE, VOCABULARY, (task,))]
        for cell in lab.cells(target, plan.of_oracle(task))
    ]


def _room(
    plan: RoomPlan,
    task: str,
    few_shot: Sequence[EvaluatedCell],
    oracles: Sequence[EvaluatedCell],
    lab: Lab,
) -> TaskRoom:
    own = _best_of([one for one in few_shot if one.cell.task == task])
    tests = {
        method: tuple(test for one, test in own if one.eval_target.method == method)
        for method in (BASELINE, FULL)
    }
    oracle, test = next(iter(_best_of([o for o in oracles if o.cell.task == task])), (None, nan))
    result = oracle.unit.result if oracle else None
    split = lab.worker.gym.split(task, plan.study.final.seeds[0], plan.shots[task])
    scored = split.test_places(plan.study.tuning.test_rows)
    return TaskRoom(
        task=task,
        role=_role(plan, task, lab),
        metric=split.metric,
        rows=len(split.train),
        dev_rows=min(DEV_ROWS, len(split.dev)),
        oracle=test,
        oracle_lr=oracle.cell.lr if oracle else None,
        oracle_digest=oracle.unit.digest if oracle else "",
        rising=isinstance(result, CellResult) and still_rising(result.dev_evals),
        few_shot=tests[BASELINE],
        chance=chance_level(split, lab.worker.gym.card(task).kind),
        majority=majority_score(replace(split, test=tuple(split.test[i] for i in scored))),
        fine_tuned=tests[FULL],
    )


def _best_of(cells: Sequence[EvaluatedCell]) -> list[tuple[EvaluatedCell, float]]:
    """Return the cell of each method and data seed at its best rate by dev, with its test score."""
    by_score = {score: one for one in cells if (score := one.score) is not None}
    return [(by_score[score], score.test) for score in best_dev(by_score)]


def _role(plan: RoomPlan, task: str, lab: Lab) -> str:
    """Return the first of validation, target and source that the task is in any setting."""
    try:
        roles = settings_of(plan.study, lab.worker.gym).roles(task)
    except TooFewTasks:
        return ""
    kinds = {role.rsplit(" ", 1)[-1] for role in roles}
    return next((kind for kind in ("validation", "target", "source") if kind in kinds), "")
