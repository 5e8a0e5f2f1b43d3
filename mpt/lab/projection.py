"""Project the ledger to MLflow: a parent run per study and promotion, a child run per trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from mpt.compute.failures import blame
from mpt.config import RunConfig
from mpt.errors import StoreError
from mpt.lab.promote import Promoted, Promotion
from mpt.lab.run import BASELINE, FULL, EvaluatedCell
from mpt.lab.sweep import TrialRecord
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.serve.predict import asked_with
from mpt.store.artefacts import whole_prompt
from mpt.store.home import Home
from mpt.store.results import CellResult, DivergedResult, FailedResult, MetaResult
from mpt.store.software import shown
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.tracking.tracker import End, Point, PromptModel, RunKey, Tracker

POINTS = 200
"""Points of a curve at most, each a mean over several steps, to limit the size of databases."""


class Projection:
    """Log a study to a tracker. Logging again is harmless, as runs are identified by keys.

    Args:
        tracker: receives the runs.
        study: the study to log.
        home: contains the prompts and studies.
        identity: of a study without a search.
    """

    def __init__(self, tracker: Tracker, study: Study, home: Home, identity: str = "") -> None:
        self._tracker, self._study, self._home = tracker, study, home
        self._given = identity

    @cached_property
    def _identity(self) -> str:
        return self._given or Search.load(self._home, self._study.title).identity

    @property
    def _owner(self) -> str:
        return self._given or Search.load(self._home, self._study.title).owner

    def trial(self, record: TrialRecord) -> None:
        """Log a trial as a child run: parameters, curves, cell scores, prompt, config and ARG."""
        trial = record.trial
        run = self._run("sweep", f"trial-{trial.number + 1}", record.config, record.unit)
        spent = Point("seconds", record.unit.seconds)
        points = [*_curve(record.unit), *_dev_curves(record.evaluated), *_arg(trial), spent]
        self._tracker.metrics(run, _at(record.unit, points))
        self._contents(run, record.config, record.unit, record.evaluated)
        self._tracker.close_run(run, *_ended(trial))

    def alone(self, config: RunConfig, unit: Unit, setting: str) -> None:
        """Log a meta-training that belongs to no study, as a run without a parent."""
        named = {"mpt.kind": "run", "mpt.digest": unit.digest}
        run = self._tracker.open_run(
            unit.digest,
            parent=None,
            name=f"{config.method} on {setting}",
            params=_flat(config.model_dump(mode="json", exclude={"sources", "data_seeds"})),
            tags=named | _plan_tag(unit) | _software_tags(unit),
        )
        self._tracker.metrics(run, _at(unit, [*_curve(unit), Point("seconds", unit.seconds)]))
        self._contents(run, config, unit, ())
        self._tracker.close_run(run, *_unit_ended(unit))

    def close_study(
        self, trials: Sequence[Trial], end: End | None = None, error: str = "", reason: str = ""
    ) -> None:
        """Log a table of trials and the best ARG so far to the parent run, and close it.

        Args:
            trials: every trial of the study, by number.
            end: how the study ended; by default ``finished``, or ``killed`` if trials are left.
            error: class of the error that ended it.
            reason: message of that error.
        """
        parent = self._parent("sweep")
        rows = [
            {"trial": t.number + 1, "state": t.state, "arg": t.arg, "low": t.low, "high": t.high}
            | {"digest": t.digest, **t.params, "error": t.error, "reason": t.reason}
            for t in trials
        ]
        self._tracker.table(parent, "trials", rows)
        complete = [t for t in trials if t.arg is not None]
        best: list[Point] = []
        for trial in complete:
            value = max(t.arg or 0.0 for t in complete if t.number <= trial.number)
            best.append(Point("best_arg", value, trial.number + 1, trial.ended))
        self._tracker.metrics(parent, best)
        for trial in trials:
            if trial.state in ("waiting", "failed"):
                self._left(trial, parent)
        if end is None:
            whole = sum(trial.is_over for trial in trials) >= self._study.total
            end = "finished" if whole else "killed"
        notes = {"mpt.error": error, "mpt.reason": reason}
        self._tracker.close_run(parent, end, {"mpt.trials": str(len(trials)), **notes})

    def _left(self, trial: Trial, parent: RunKey) -> None:
        """Close the run of a stale trial, which may not have been logged before."""
        name = f"trial-{trial.number + 1}"
        tags = {"mpt.study": self._study.title, "mpt.kind": "sweep"}
        run = self._tracker.open_run(name, parent=parent, name=name, params={}, tags=tags)
        self._tracker.close_run(run, *_ended(trial))

    @contextmanager
    def ended_early(self) -> Iterator[None]:
        """Close the study's run if an error or the user ends it early."""
        try:
            yield
        except StoreError:
            # another driver runs the study, or the store may not contain it
            raise
        except (Exception, KeyboardInterrupt) as error:
            kind, reason = blame(error)
            trials = Search.load(self._home, self._study.title).trials
            self.close_study(trials, "failed" if kind else "killed", kind, reason)
            raise

    def promotion(self, promotion: Promotion, report: Path) -> str:
        """Log a promotion with its report, and register the champion's prompt.

        Returns:
            The registered model's name; empty if every meta-training diverged.
        """
        kind = f"promotion-of-trial-{promotion.trial.number + 1}"
        runs = self.campaign(kind, promotion)
        parent = self._parent(kind)
        self._tracker.artifact(parent, report.parent, "report")
        name = ""
        if champion := promotion.champion:
            name = f"mpt-{self._study.title}"
            self._tracker.register_prompt(
                runs[champion.config.digest],
                PromptModel(
                    name=name,
                    digest=champion.unit.digest,
                    file=whole_prompt(self._home, champion.unit),
                    config=asked_with(champion.unit),
                    owner=self._owner,
                ),
            )
        self._tracker.close_run(parent, "finished", {})
        return name

    def campaign(self, kind: str, promotion: Promotion) -> dict[str, RunKey]:
        """Log a run per meta-training under one parent, and return the run keys by digest."""
        runs = {
            meta_run.config.digest: self._share(kind, meta_run, promotion)
            for meta_run in promotion.meta_runs
        }
        parent, own = self._parent(kind), self._study.method
        points = [
            Point(
                _named("arg" if gain.method == own else f"arg {gain.method}", gain.setting),
                gain.arg,
            )
            for gain in promotion.gains
        ]
        points = [point for point in points if point.value == point.value]
        last = max(
            (meta_run.unit for meta_run in promotion.meta_runs), key=lambda unit: unit.created
        )
        self._tracker.metrics(parent, _at(last, points))
        self._tracker.close_run(parent, "finished", {})
        return runs

    def _share(self, kind: str, meta_run: Promoted, promotion: Promotion) -> RunKey:
        setting, seed = meta_run.setting.name, meta_run.meta_run.meta_seed
        name = setting if meta_run.method == self._study.method else f"{setting} {meta_run.method}"
        run = self._run(
            kind, f"{name} seed {seed}" if seed else name, meta_run.config, meta_run.unit
        )
        spent = Point("seconds", meta_run.unit.seconds)
        points = [*_curve(meta_run.unit), *_dev_curves(meta_run.evaluated), spent]
        gains = {(gain.setting, gain.method): gain for gain in promotion.gains}
        if gain := gains.get((setting, meta_run.method)):
            shown = {"arg": gain.arg, "arg_low": gain.low, "arg_high": gain.high}
            points += [Point(key, value) for key, value in shown.items() if value == value]
        self._tracker.metrics(run, _at(meta_run.unit, points))
        evaluated = (*promotion.baselines_of(setting), *meta_run.evaluated)
        self._contents(run, meta_run.config, meta_run.unit, evaluated)
        self._tracker.close_run(run, *_unit_ended(meta_run.unit))
        return run

    def _parent(self, kind: str) -> RunKey:
        title = self._study.title
        name = title if kind == "sweep" else f"{title} {kind}"
        return self._tracker.open_study(
            name,
            params=_flat(self._study.definition),
            tags={"mpt.study": title, "mpt.kind": kind},
            key=f"{title}/{self._identity}/{kind}",
        )

    def _run(self, kind: str, name: str, config: RunConfig, unit: Unit) -> RunKey:
        tags = {"mpt.study": self._study.title, "mpt.kind": kind, "mpt.digest": unit.digest}
        tags |= _plan_tag(unit) | _software_tags(unit)
        return self._tracker.open_run(
            name,
            parent=self._parent(kind),
            name=name,
            params=_flat(config.model_dump(mode="json", exclude={"sources", "data_seeds"})),
            tags=tags,
        )

    def _contents(
        self, run: RunKey, config: RunConfig, unit: Unit, evaluated: Sequence[EvaluatedCell]
    ) -> None:
        resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        self._tracker.text(run, "config.yaml", resolved)
        self._tracker.table(run, "cells", [_row(cell_result) for cell_result in evaluated])
        if unit.artefact:
            prompt = whole_prompt(self._home, unit)
            self._tracker.artifact(run, prompt, name="prompt.safetensors")


def _plan_tag(unit: Unit) -> dict[str, str]:
    """Return tags on how the steps of a meta-training were computed."""
    plan = unit.result.plan if isinstance(unit.result, MetaResult | CellResult) else None
    if plan is None:
        return {}
    kernels = {"mpt.attention": plan.attention} if plan.attention is not None else {}
    return {"mpt.step": f"{plan.engine}, {plan.rows} rows ({plan.why})", **kernels}


def _at(unit: Unit, points: Sequence[Point]) -> list[Point]:
    """Date the points by the unit, so that MLflow recognises points that are logged again."""
    time_ms = round(unit.created.timestamp() * 1000)
    return [replace(point, time_ms=time_ms) for point in points]


def _software_tags(unit: Unit) -> dict[str, str]:
    """Return tags of the software that computed a unit, which may differ from the running one."""
    record = unit.result.software
    return {"mpt.version": (record and record.mpt) or "", "mpt.software": shown(record)}


def _curve(unit: Unit) -> list[Point]:
    """Return the loss curve of a meta-training, thinned to ``POINTS`` means."""
    curve = unit.curve
    stretch = max(1, -(-len(curve) // POINTS))
    return [
        Point("loss", fmean(curve[i : i + stretch]), min(i + stretch, len(curve)))
        for i in range(0, len(curve), stretch)
    ]


def _dev_curves(evaluated: Sequence[EvaluatedCell]) -> list[Point]:
    """Return the mean dev score of the method's cells by evaluation, one curve per target task."""
    devs: dict[tuple[str, int], list[float]] = {}
    for cell_result in evaluated:
        result = cell_result.unit.result
        if isinstance(result, CellResult) and cell_result.eval_target.method not in (
            BASELINE,
            FULL,
        ):
            for step, dev in result.dev_evals:
                devs.setdefault((cell_result.cell.task, step), []).append(dev)
    return [Point(_named("dev", task), fmean(v), step) for (task, step), v in devs.items()]


def _arg(trial: Trial) -> list[Point]:
    values = {"arg": trial.arg, "arg_low": trial.low, "arg_high": trial.high}
    return [
        Point(name, value) for name, value in values.items() if value is not None and value == value
    ]


def _row(cell_result: EvaluatedCell) -> dict[str, object]:
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


def _ended(trial: Trial) -> tuple[End, dict[str, str]]:
    """Return the status and tags of a trial's run, see ``_end``."""
    return _end(trial.state, trial.error, trial.reason, trial.step)


def _unit_ended(unit: Unit) -> tuple[End, dict[str, str]]:
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


def _named(metric: str, what: str) -> str:
    """Return a metric name that MLflow accepts: letters, digits and a few signs, no ``>``."""
    allowed = re.sub(r"[^\w./ :-]", "_", what.replace("->", " to "))
    return f"{metric}/{allowed}"


def _flat(values: Mapping[str, Any], under: str = "") -> dict[str, object]:
    """Flatten nested settings to keys such as ``outer.lr``, without unset values."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{under}{key}.")
        elif value is not None:
            flat[f"{under}{key}"] = value
    return flat
