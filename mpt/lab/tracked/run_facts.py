"""What a run of a tracker says of a unit or a trial: parameters, tags, ends and rows of tables."""

from __future__ import annotations

from collections.abc import Sequence

from mpt.compute.worker import Worker
from mpt.config import RunConfig, Shots
from mpt.gym.partitions import Setting
from mpt.lab.plan import SweepPlan
from mpt.lab.promote import EvaluatedRun, Promotion
from mpt.lab.run import BASELINE, FULL, EvaluatedCell
from mpt.lab.tracked.curves import flat
from mpt.search.trial import OpenTrial, Trial
from mpt.stats.scores import Gain
from mpt.store.results import CellResult, DivergedResult, FailedResult, MetaResult
from mpt.store.software import shown
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.tracking.tracker import DataSet, End, Point

COMMIT = "mlflow.source.git.commit"
"""Tag that MLflow's pages show as a run's version."""

_LOOPS = ("inner_lr", "inner_steps", "outer_lr", "outer_steps")


def data_sets(concrete: SweepPlan, worker: Worker) -> list[DataSet]:
    """Return the rows that a study's trials read: those of every source and validation task."""
    study, seeds = concrete.study, concrete.study.validation.seeds
    return [
        *_sources(study, concrete.sources, worker),
        *_data(study, concrete.tasks, worker, seeds, study.target_shots, "validation"),
    ]


def setting_data(study: Study, setting: Setting, worker: Worker) -> list[DataSet]:
    """Return the rows that a final evaluation reads in a setting: its sources and targets."""
    seeds, shots = study.final.seeds, study.target_shots
    return [
        *_sources(study, setting.sources, worker),
        *_data(study, setting.targets, worker, seeds, shots, "evaluation"),
    ]


def _sources(study: Study, tasks: Sequence[str], worker: Worker) -> list[DataSet]:
    return _data(study, tasks, worker, study.source_seeds, study.source_shots, "meta-training")


def _data(
    study: Study,
    tasks: Sequence[str],
    worker: Worker,
    seeds: tuple[int, ...],
    shots: Shots | None,
    context: str,
) -> list[DataSet]:
    return [
        DataSet(task, worker.data_digest((task,), seeds, shots), context, study.gym, seeds)
        for task in tasks
    ]


def version_tags(promotion: Promotion, promoted: EvaluatedRun, worker: Worker) -> dict[str, str]:
    """Return the tags of a registered version: its ARG, where it was measured, on which rows."""
    study, setting = promotion.study, promoted.setting
    gain = gain_of(promotion, promoted)
    values = {"arg": gain.arg, "arg_low": gain.low, "arg_high": gain.high} if gain else {}
    targets = worker.data_digest(setting.targets, study.final.seeds, study.target_shots)
    return {
        **{f"mpt.{name}": f"{value:.4f}" for name, value in values.items() if value == value},
        "mpt.study": study.title,
        "mpt.method": promoted.method,
        "mpt.setting": setting.name,
        "mpt.backbone": study.backbone.name,
        "mpt.data.sources": promoted.config.data,
        "mpt.data.targets": targets,
    }


def gain_of(promotion: Promotion, promoted: EvaluatedRun) -> Gain | None:
    """Return the gain of a meta-run's method in its setting."""
    place = promoted.setting.name, promoted.method
    return next((g for g in promotion.gains if (g.setting, g.method) == place), None)


def plan_tags(unit: Unit) -> dict[str, str]:
    """Return tags on how the steps of a meta-training were computed."""
    plan = unit.result.plan if isinstance(unit.result, MetaResult | CellResult) else None
    if plan is None:
        return {}
    kernels = {"mpt.attention": plan.attention} if plan.attention is not None else {}
    return {"mpt.step": f"{plan.engine}, {plan.rows} rows ({plan.why})", **kernels}


def params_of(config: RunConfig) -> dict[str, object]:
    """Return the parameters of a meta-training's run; lists of tasks and seeds are tags."""
    return flat(config.model_dump(mode="json", exclude={"sources", "data_seeds"}))


def logged_as(name: str) -> str:
    """Return what runs call a searched parameter: ``inner.lr`` for ``inner_lr``."""
    loop, _, rest = name.partition("_")
    return f"{loop}.{rest}" if name in _LOOPS else f"method_args.{name}"


def task_tags(config: RunConfig, setting: str) -> dict[str, str]:
    """Return tags by which runs can be searched: method, setting and source tasks."""
    sources = ", ".join(config.sources)
    return {"mpt.method": config.method, "mpt.setting": setting, "mpt.sources": sources}


def number_of(trial: OpenTrial | Trial) -> Point:
    """Return the trial's number as a metric, for the axis of a chart."""
    # the end of one that has ended: the last value counts, and an earlier version logged another
    time = trial.ended if isinstance(trial, Trial) else trial.started
    return Point("trial", trial.number, 0, time)


def software_tags(unit: Unit) -> dict[str, str]:
    """Return tags of the software that computed a unit, which may differ from the running one."""
    record = unit.result.software
    tags = {"mpt.version": (record and record.mpt) or "", "mpt.software": shown(record)}
    return tags | {COMMIT: (record and record.commit) or ""}


def arg_points(trial: Trial) -> list[Point]:
    """Return a trial's ARG and its interval, as far as there are any."""
    values = {"arg": trial.arg, "arg_low": trial.low, "arg_high": trial.high}
    return [
        Point(name, value) for name, value in values.items() if value is not None and value == value
    ]


def cell_row(cell_result: EvaluatedCell) -> dict[str, object]:
    """Return the row of a cell in the table of a run."""
    result = cell_result.unit.result if isinstance(cell_result.unit.result, CellResult) else None
    method = cell_result.eval_target.method
    return {
        "setting": cell_result.eval_target.setting,
        "method": method if method in (BASELINE, FULL) else "this run",
        "task": cell_result.cell.task,
        "seed": cell_result.cell.data_seed,
        "lr": cell_result.cell.lr,
        "state": cell_result.unit.state,
        "dev": result and result.dev,
        "test": result and result.test,
        "best_step": result and result.best_step,
        "digest": cell_result.unit.digest,
    }


def trial_end(trial: Trial) -> tuple[End, dict[str, str]]:
    """Return the status and tags of a trial's run, see ``_end``."""
    return _end(trial.state, trial.error, trial.reason, trial.step)


def unit_end(unit: Unit) -> tuple[End, dict[str, str]]:
    """Return the status and tags of a unit's run, see ``_end``."""
    match unit.result:
        case FailedResult(error=error, step=step):
            return _end(unit.state, error or "", unit.reason, step)
        case DivergedResult(step=step):
            return _end(unit.state, "", unit.reason, step)
        case _:
            return _end(unit.state, "", unit.reason, None)


def _end(state: str, error: str, reason: str, step: int | None) -> tuple[End, dict[str, str]]:
    """Return a run's status and tags; all tags are set, to overwrite those of earlier attempts."""
    ends: dict[str, End] = {"complete": "finished", "done": "finished", "failed": "failed"}
    error = error or ("diverged" if state == "diverged" else "")
    tags = {
        "mpt.error": error,
        "mpt.reason": reason,
        "mpt.error_step": str(step) if error and step is not None else "",
    }
    return ends.get(state, "killed"), {"mpt.state": state, **tags}
