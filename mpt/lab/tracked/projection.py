"""Project the ledger to MLflow: a parent run per study and promotion, a child run per trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import yaml

from mpt.compute.failures import blame
from mpt.compute.worker import Worker
from mpt.config import RunConfig
from mpt.errors import StoreError
from mpt.lab.promote import EvaluatedRun, Promotion
from mpt.lab.race import race_rows
from mpt.lab.run import BASELINE, EvaluatedCell
from mpt.lab.sweep import TrialRecord
from mpt.lab.tracked.curves import LiveCurves, at, began, dev_curves, ended, flat, loss_curve, named
from mpt.lab.tracked.knowledge import SearchKnowledge
from mpt.lab.tracked.notes import promotion_note, study_note, trial_note, version_note
from mpt.lab.tracked.run_facts import (
    COMMIT,
    arg_points,
    cell_row,
    gain_of,
    logged_as,
    number_of,
    params_of,
    plan_tags,
    setting_data,
    software_tags,
    task_tags,
    trial_end,
    unit_end,
    version_tags,
)
from mpt.search.earlier_numbers import trial_key
from mpt.search.search import Search
from mpt.search.trial import OpenTrial, Trial
from mpt.serve.predict import asked_with
from mpt.store.artefacts import whole_prompt
from mpt.store.home import Home
from mpt.store.software import software
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.tracking.system_metrics import SystemMetrics
from mpt.tracking.tracker import (
    ANY,
    BEST,
    NOTE,
    PROMOTED,
    DataSet,
    End,
    Point,
    PromptModel,
    RunKey,
    Tracker,
)


def model_name(study: Study) -> str:
    """Return the name of a study's registered model."""
    return f"mpt-{study.title}"


class Projection:
    """Log a study to a tracker. Logging again is harmless, as runs are identified by keys.

    Args:
        tracker: receives the runs.
        study: the study to log.
        home: contains the prompts and studies.
        identity: of a study without a search.
        data: the rows that the study's trials read.
        command: what runs the study, for its note.
    """

    def __init__(
        self,
        tracker: Tracker,
        study: Study,
        home: Home,
        identity: str = "",
        *,
        data: Sequence[DataSet] = (),
        command: str = "",
    ) -> None:
        self._tracker, self._study, self._home = tracker, study, home
        self._given, self._data, self._command = identity, data, command
        self._args: dict[int, float] = {}
        self.system = SystemMetrics(tracker)
        """Logs the load of the machine to the study's run while it is entered."""
        self.losses = LiveCurves(tracker)
        """Logs the losses of the trials that are open while they train."""

    @cached_property
    def _identity(self) -> str:
        return self._given or Search.load(self._home, self._study.title).identity

    @cached_property
    def _study_run(self) -> RunKey:
        """Open the study's run when it is first needed."""
        return self._parent("sweep")

    @property
    def _owner(self) -> str:
        return self._given or Search.load(self._home, self._study.title).owner

    def open_study(self, trials: Sequence[Trial]) -> None:
        """Open the study's run before anything is computed.

        Args:
            trials: those of earlier drivers.
        """
        times = [trial.started for trial in trials if trial.started]
        self._study_run = parent = self._parent("sweep", started_ms=min(times, default=0))
        self._args = {t.number: t.arg for t in trials if t.arg is not None}
        self._tracker.tag(parent, {NOTE: study_note(self._study, trials, self._command)})
        self._tracker.inputs(parent, self._data)
        self.system.follow(parent)
        searched = [*self._study.space.dimensions(self._study.method)]
        self._tracker.views(parent, self._study.title, [logged_as(name) for name in searched])

    def open_trial(self, trial: OpenTrial, config: RunConfig) -> None:
        """Open a trial's run when its round begins, and log its losses while it trains."""
        run = self._trial_run(trial, config)
        self._tracker.tag(run, {NOTE: trial_note(self._study, trial)})
        self._tracker.inputs(run, self._data)
        self._tracker.metrics(run, [number_of(trial)])
        self.losses.follow(config, run)

    def trial(self, record: TrialRecord) -> None:
        """Log a trial as a child run: parameters, curves, cell scores, prompt, config and ARG."""
        trial, unit = record.trial, record.unit
        self.losses.flush(record.config)
        run = self._trial_run(trial, record.config, unit)
        self._tracker.metrics(
            run, [*loss_curve(unit, record.config), *dev_curves(record.evaluated)]
        )
        own = [cell.unit for cell in record.evaluated if cell.eval_target.method != BASELINE]
        spent = at([unit], [Point("seconds", unit.seconds)])
        self._tracker.metrics(run, [*at([unit, *own], arg_points(trial)), *spent, number_of(trial)])
        self._contents(run, record.config, unit, record.evaluated)
        state, tags = trial_end(trial)
        tags |= {NOTE: trial_note(self._study, trial)}
        self._tracker.close_run(run, state, tags, trial.ended)
        if trial.arg is not None:
            self._args[trial.number] = trial.arg
            best = max(arg for number, arg in self._args.items() if number <= trial.number)
            point = Point("best_arg", best, trial.number, trial.ended)
            self._tracker.metrics(self._study_run, [point])

    def alone(self, config: RunConfig, unit: Unit, setting: str) -> None:
        """Log a meta-training that belongs to no study, as a run without a parent."""
        facts = {"mpt.kind": "run", "mpt.digest": unit.digest, **task_tags(config, setting)}
        run = self._tracker.open_run(
            unit.digest,
            parent=None,
            name=f"{config.method} on {setting}",
            params=params_of(config),
            tags=facts | plan_tags(unit) | software_tags(unit),
        )
        spent = at([unit], [Point("seconds", unit.seconds)])
        self._tracker.metrics(run, [*loss_curve(unit, config), *spent])
        self._contents(run, config, unit, ())
        self._tracker.close_run(run, *unit_end(unit))

    def close_study(
        self,
        trials: Sequence[Trial],
        end: End | None = None,
        error: str = "",
        reason: str = "",
        *,
        known: SearchKnowledge | None = None,
    ) -> None:
        """Log a table of trials and the best ARG so far to the parent run, and close it.

        Args:
            trials: every trial of the study, by number.
            end: how the study ended; by default ``finished``, or ``killed`` if trials are left.
            error: class of the error that ended it.
            reason: message of that error.
            known: what the search knows of its ranking.
        """
        parent = self._parent("sweep")
        rows = [
            {"trial": t.number, "state": t.state, "arg": t.arg, "low": t.low, "high": t.high}
            | {"digest": t.digest, **t.params, "error": t.error, "reason": t.reason}
            for t in trials
        ]
        self._tracker.table(parent, "trials", rows)
        complete = [t for t in trials if t.arg is not None]
        best: list[Point] = []
        for trial in complete:
            value = max(t.arg or 0.0 for t in complete if t.number <= trial.number)
            best.append(Point("best_arg", value, trial.number, trial.ended))
        self._tracker.metrics(parent, best)
        if known is not None:
            self._ranking(parent, known, best)
        for trial in trials:
            if trial.state in ("waiting", "failed"):
                self._left(trial, parent)
        if end is None:
            whole = sum(trial.is_over for trial in trials) >= self._study.total
            end = "finished" if whole else "killed"
        notes = {"mpt.error": error, "mpt.reason": reason}
        lines = known.lines if known else ()
        notes[NOTE] = study_note(self._study, trials, self._command, lines)
        self._mark_best(complete, known.winner if known else None)
        # a study that is logged again later ends when its last trial did
        last = max(trial.ended for trial in trials) if trials and end == "finished" else 0
        self._tracker.close_run(parent, end, {"mpt.trials": str(len(trials)), **notes}, last)

    def _ranking(self, parent: RunKey, known: SearchKnowledge, best: Sequence[Point]) -> None:
        """Log the reliability of the ranking, dated by the last trial, and the rounds of a race."""
        if best and known.value == known.value:
            point = replace(best[-1], name="reliability", value=known.value)
            self._tracker.metrics(parent, [point])
        if known.race is not None and known.race.rounds:
            self._tracker.table(parent, "race", list(race_rows(known.race)))
            winner = "" if known.winner is None else str(known.winner)
            self._tracker.tag(parent, {"mpt.winner": winner})

    def study_report(self, page: Path) -> None:
        """Log the folder of the study's report, given by its page."""
        self._tracker.artifact(self._study_run, page.parent, "report")

    def _mark_best(self, complete: Sequence[Trial], winner: int | None) -> None:
        """Tag the trial that won a race, else the one with the highest ARG.

        Those that may have had the tag before lose it.
        """
        leaders: list[Trial] = []
        for trial in complete:
            if not leaders or (trial.arg or 0.0) > (leaders[-1].arg or 0.0):
                leaders.append(trial)
        won = [trial for trial in complete if trial.number == winner]
        best = next(iter(won), leaders[-1] if leaders else None)
        for number in dict.fromkeys(trial.number for trial in (*leaders, *won)):
            mark = "yes" if best is not None and number == best.number else ""
            self._tracker.tag(self._trial_key(number), {BEST: mark})

    def _left(self, trial: Trial, parent: RunKey) -> None:
        """Close the run of a stale trial, which may not have been logged before."""
        name = f"trial-{trial.number}"
        tags = {"mpt.study": self._study.title, "mpt.kind": "sweep"}
        run = self._tracker.open_run(
            trial_key(trial.number),
            parent=parent,
            name=name,
            params={},
            tags=tags,
            started_ms=trial.started,
        )
        self._tracker.close_run(run, *trial_end(trial), trial.ended)

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

    def promotion(
        self, promotion: Promotion, report: Path, worker: Worker, replaces: str = ANY
    ) -> str:
        """Log a promotion with its report, and register the prompt of its champion.

        Args:
            promotion: what was run.
            report: its page; the whole folder is logged.
            worker: knows the rows that were read.
            replaces: which version may lose the alias, see ``PromptModel``.

        Returns:
            The registered model's name; empty if every meta-training diverged.
        """
        kind = f"promotion-of-trial-{promotion.trial.number}"
        runs = self.campaign(kind, promotion, worker)
        parent = self._parent(kind, promotion)
        self._tracker.artifact(parent, report.parent, "report")
        self._tracker.tag(parent, {NOTE: promotion_note(promotion)})
        self._tracker.tag(self._trial_key(promotion.trial.number), {PROMOTED: "yes"})
        name = ""
        if champion := promotion.champion:
            name = model_name(self._study)
            self._tracker.register_prompt(
                runs[champion.config.digest],
                PromptModel(
                    name=name,
                    digest=champion.unit.digest,
                    file=whole_prompt(self._home, champion.unit),
                    config=asked_with(champion.unit),
                    replaces=replaces,
                    owner=self._owner,
                    tags=version_tags(promotion, champion, worker),
                    note=version_note(promotion, champion),
                ),
            )
        self._tracker.close_run(parent, "finished", {}, ended(_units(promotion.meta_runs)))
        return name

    def campaign(self, kind: str, promotion: Promotion, worker: Worker) -> dict[str, RunKey]:
        """Log a run per meta-training under one parent, and return the run keys by digest."""
        study = promotion.study
        data = {s.name: setting_data(study, s, worker) for s in promotion.campaign.settings}
        runs: dict[str, RunKey] = {}
        for meta_run in promotion.meta_runs:
            run = self._share(kind, meta_run, promotion)
            self._tracker.inputs(run, data[meta_run.setting.name])
            runs[meta_run.config.digest] = run
        parent, own = self._parent(kind, promotion), self._study.method
        distinct = dict.fromkeys(one for rows in data.values() for one in rows)
        self._tracker.inputs(parent, list(distinct))
        points = [
            Point(
                named("arg" if gain.method == own else f"arg {gain.method}", gain.setting),
                gain.arg,
            )
            for gain in promotion.gains
        ]
        points = [point for point in points if point.value == point.value]
        self._tracker.metrics(parent, at([m.unit for m in promotion.meta_runs], points))
        self._tracker.close_run(parent, "finished", {}, ended(_units(promotion.meta_runs)))
        return runs

    def _share(self, kind: str, meta_run: EvaluatedRun, promotion: Promotion) -> RunKey:
        setting, seed = meta_run.setting.name, meta_run.meta_run.meta_seed
        name = setting if meta_run.method == self._study.method else f"{setting} {meta_run.method}"
        unit, name = meta_run.unit, f"{name} seed {seed}" if seed else name
        parent = self._parent(kind, promotion)
        run = self._child(parent, kind, name, meta_run.config, setting, began([unit]), unit)
        points = [Point("seconds", unit.seconds)]
        if gain := gain_of(promotion, meta_run):
            shown = {"arg": gain.arg, "arg_low": gain.low, "arg_high": gain.high}
            points += [Point(key, value) for key, value in shown.items() if value == value]
        curves = [*loss_curve(unit, meta_run.config), *dev_curves(meta_run.evaluated)]
        self._tracker.metrics(run, [*curves, *at([unit], points)])
        evaluated = (*promotion.baselines_of(setting), *meta_run.evaluated)
        self._contents(run, meta_run.config, meta_run.unit, evaluated)
        self._tracker.close_run(run, *unit_end(meta_run.unit), ended(_units([meta_run])))
        return run

    def _parent(self, kind: str, promotion: Promotion | None = None, started_ms: int = 0) -> RunKey:
        """Open the run of a search, promotion or campaign."""
        title, study = self._study.title, self._study
        name = title if kind == "sweep" else f"{title} {kind}"
        params = {f"study.{key}": value for key, value in flat(study.definition).items()}
        key = self._parent_key(kind)
        if promotion is not None:
            started_ms = began([meta_run.unit for meta_run in promotion.meta_runs])
        if promotion is not None and kind.startswith("promotion"):
            chosen = promotion.trial
            key = self._parent_key(f"promotion-of-{trial_key(chosen.number)}")
            params |= {logged_as(name): value for name, value in chosen.params.items()}
        commit = software().commit
        return self._tracker.open_study(
            name,
            started_ms=started_ms,
            params=params,
            tags={
                "mpt.study": title,
                "mpt.kind": kind,
                "mpt.gym": study.gym,
                "mpt.method": study.method,
                "mpt.setting": study.setting,
                **({COMMIT: commit} if commit else {}),
            },
            key=key,
        )

    def _parent_key(self, kind: str) -> RunKey:
        return RunKey(f"{self._study.title}/{self._identity}/{kind}")

    def _trial_key(self, number: int) -> RunKey:
        return RunKey(f"{self._parent_key('sweep')}/{trial_key(number)}")

    def _trial_run(
        self, trial: OpenTrial | Trial, config: RunConfig, unit: Unit | None = None
    ) -> RunKey:
        """Open a trial's run under that of the study."""
        name, setting = f"trial-{trial.number}", self._study.setting
        key, started = trial_key(trial.number), trial.started
        return self._child(self._study_run, "sweep", name, config, setting, started, unit, key)

    def _child(
        self,
        parent: RunKey,
        kind: str,
        name: str,
        config: RunConfig,
        setting: str,
        started_ms: int = 0,
        unit: Unit | None = None,
        key: str = "",
    ) -> RunKey:
        """Open the run of a meta-training under ``parent``; its ``key`` is its name by default."""
        digest = unit.digest if unit else config.digest
        tags = {"mpt.study": self._study.title, "mpt.kind": kind, "mpt.digest": digest}
        tags |= {"mpt.gym": self._study.gym, **task_tags(config, setting)}
        if unit:
            tags |= plan_tags(unit) | software_tags(unit)
        return self._tracker.open_run(
            key or name,
            parent=parent,
            name=name,
            params=params_of(config),
            tags=tags,
            started_ms=started_ms,
        )

    def _contents(
        self, run: RunKey, config: RunConfig, unit: Unit, evaluated: Sequence[EvaluatedCell]
    ) -> None:
        resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        self._tracker.text(run, "config.yaml", resolved)
        self._tracker.table(run, "cells", [cell_row(cell_result) for cell_result in evaluated])
        if unit.artefact:
            prompt = whole_prompt(self._home, unit)
            self._tracker.artifact(run, prompt, name="prompt.safetensors")


def _units(meta_runs: Sequence[EvaluatedRun]) -> list[Unit]:
    """Return what a final evaluation computed: meta-trainings, and the cells of their prompts."""
    return [
        unit
        for meta_run in meta_runs
        for unit in (meta_run.unit, *(cell_result.unit for cell_result in meta_run.evaluated))
    ]
