"""Meta-train and evaluate trials together, stopping those early that the pruner rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Protocol

from mpt.config import PausedRun, RunConfig
from mpt.lab.plan import SweepPlan
from mpt.lab.run import BASELINE, EvalProtocol, EvaluatedCell, Lab, scores
from mpt.search.trial import OpenTrial, Trial
from mpt.stats.scores import best_dev, gains, relative_gain
from mpt.store.results import DivergedResult, FailedResult
from mpt.store.unit import Unit
from mpt.study.pruning import Hyperband, Wilcoxon


@dataclass(frozen=True)
class TrialRecord:
    """Hold a completed trial with everything that a tracker or report needs.

    Attributes:
        evaluated: cell results of the baseline and of the trial's prompt.
    """

    trial: Trial
    config: RunConfig
    unit: Unit
    evaluated: tuple[EvaluatedCell, ...]


class PruningPolicy(Protocol):
    """Decide on pruning: by a running search, or by recorded decisions."""

    def report(self, trial: OpenTrial, gains: Mapping[int, float]) -> None:
        """Record a trial's gains (percent) by step."""
        ...

    def should_prune(self, trial: OpenTrial, step: int) -> str:
        """Return why the trial should be pruned at ``step``, or an empty string."""
        ...


@dataclass(eq=False)
class _RunningTrial:
    """Hold the state of a running trial.

    Attributes:
        open_trial: its number and hyper-parameters.
        rungs: meta-steps at which it may be stopped early.
        unit: its meta-training so far.
        evaluated: results of cells tuned from the prompt of ``unit``.
        end: the final record, if it was pruned.
    """

    open_trial: OpenTrial
    config: RunConfig
    rungs: tuple[int, ...] = ()
    unit: Unit | None = None
    evaluated: list[EvaluatedCell] = field(default_factory=list)
    end: Trial | None = None

    @property
    def learned(self) -> Unit:
        """Return its meta-training, which must have started."""
        assert self.unit is not None
        return self.unit


@dataclass
class TrialRunner:
    """Run the trials of a study.

    Attributes:
        concrete: the resolved study.
        lab: runs the units.
        policy: decides on pruning.
        baseline: cell results of plain prompt tuning on the validation tasks.
    """

    concrete: SweepPlan
    lab: Lab
    policy: PruningPolicy
    baseline: Sequence[EvaluatedCell]

    def run_trials(self, open_trials: Sequence[OpenTrial]) -> list[TrialRecord]:
        """Meta-train and evaluate trials, given by ascending number."""
        study, pruner = self.concrete.study, self.concrete.study.pruner
        span = f"trial {open_trials[0].number}" + (
            f"-{open_trials[-1].number}" if open_trials[1:] else ""
        )
        trials = [self._begin(each) for each in open_trials]
        if isinstance(pruner, Hyperband):
            self._climb(trials, span)
        trained = [trial for trial in trials if trial.end is None]
        self._learn(trained, [trial.config for trial in trained], f"{span}: {study.method}")
        healthy = [trial for trial in trained if trial.learned.state == "done"]
        if isinstance(pruner, Wilcoxon):
            self._evaluate_by_seed(healthy, f"{span}: validation")
        else:
            self._tune(healthy, self.concrete.eval_protocol, f"{span}: validation")
        return [self._record(trial) for trial in trials]

    def _begin(self, trial: OpenTrial) -> _RunningTrial:
        study, config = self.concrete.study, self.concrete.config(trial.params)
        if not isinstance(pruner := study.pruner, Hyperband):
            return _RunningTrial(trial, config)
        bracket = pruner.bracket(trial.number, study.seed, study.most_steps)
        return _RunningTrial(trial, config, pruner.rungs(bracket, config.updates, study.most_steps))

    def _climb(self, trials: Sequence[_RunningTrial], span: str) -> None:
        """Meta-train from rung to rung.

        At each rung the prompts are tuned with one data seed and rate, and trials may be stopped
        early, in the order of their numbers.
        """
        whole, rung = self.concrete.eval_protocol, 0
        cheap = replace(whole, seeds=whole.seeds[:1], lrs=whole.lrs[:1])
        while active := [t for t in trials if t.end is None and rung < len(t.rungs)]:
            title = f"{span}: rung {rung + 1}"
            self._learn(active, [PausedRun.of(t.config, t.rungs[rung]) for t in active], title)
            for trial in active:
                if trial.learned.state != "done":
                    # it diverged, which is handled when it is learned as a whole
                    trial.rungs = ()
            alive = [trial for trial in active if trial.rungs]
            self._tune(alive, cheap, title)
            for trial in alive:
                gain_of = self._gains(trial)
                # a task on which tuning diverged counts as a loss of 100 %
                gain = fmean(gain_of.get((task, cheap.seeds[0]), -100.0) for task in self._levels)
                self._report(trial, {trial.rungs[rung]: gain}, trial.rungs[rung])
                if trial.end is not None:
                    self.lab.worker.checkpoints.drop(trial.config.digest)
                else:
                    trial.evaluated = []
            rung += 1

    def _evaluate_by_seed(self, trials: Sequence[_RunningTrial], title: str) -> None:
        """Tune with one data seed after another; trials may be stopped after each but the last."""
        whole, tasks = self.concrete.eval_protocol, self.concrete.tasks
        pairs = [(task, seed) for seed in whole.seeds for task in tasks]
        for done, seed in enumerate(whole.seeds, 1):
            active = [trial for trial in trials if trial.end is None]
            self._tune(active, replace(whole, seeds=(seed,)), title)
            for trial in active:
                gain_of = self._gains(trial)
                reports = {at: gain_of[pair] for at, pair in enumerate(pairs) if pair in gain_of}
                if done < len(whole.seeds):
                    self._report(trial, reports, done * len(tasks))
                else:
                    self.policy.report(trial.open_trial, reports)

    def _learn(
        self, trials: Sequence[_RunningTrial], configs: Sequence[RunConfig], title: str
    ) -> None:
        units = self.lab.learn(configs, title, self.concrete.study.pack)
        for trial, config in zip(trials, configs, strict=True):
            trial.unit = units[config.digest]

    def _tune(
        self, trials: Sequence[_RunningTrial], eval_protocol: EvalProtocol, title: str
    ) -> None:
        eval_targets = {
            t.config.digest: replace(
                self.concrete.baseline, method=t.config.digest, start=t.learned.digest
            )
            for t in trials
        }
        pack = self.concrete.study.cells_per_pack
        evaluated = self.lab.evaluate_cells(
            list(eval_targets.values()), eval_protocol, title=title, pack=pack
        )
        for trial in trials:
            trial.evaluated += [
                cell_result
                for cell_result in evaluated
                if cell_result.eval_target.method == trial.config.digest
            ]

    def _report(self, trial: _RunningTrial, reports: Mapping[int, float], step: int) -> None:
        self.policy.report(trial.open_trial, reports)
        if reason := self.policy.should_prune(trial.open_trial, step):
            number, params = trial.open_trial.number, dict(trial.open_trial.params)
            trial.end = Trial(
                number, params, "pruned", trial.learned.digest, reason=reason, step=step
            )

    @cached_property
    def _levels(self) -> dict[str, float]:
        """Return the mean test score of plain prompt tuning by task, where it is above zero."""
        tests_by_task: dict[str, list[float]] = {}
        for score in best_dev(scores(self.baseline)):
            tests_by_task.setdefault(score.task, []).append(score.test)
        return {task: level for task, tests in tests_by_task.items() if (level := fmean(tests)) > 0}

    def _gains(self, trial: _RunningTrial) -> dict[tuple[str, int], float]:
        """Compute the relative gain (percent) by task and data seed; their mean is the ARG."""
        return {
            (score.task, score.seed): relative_gain(score.test, self._levels[score.task])
            for score in best_dev(scores(trial.evaluated))
            if score.task in self._levels
        }

    def _record(self, trial: _RunningTrial) -> TrialRecord:
        evaluated = (*self.baseline, *trial.evaluated)
        end = trial.end or _end(trial, evaluated)
        return TrialRecord(end, trial.config, trial.learned, evaluated)


def _end(trial: _RunningTrial, evaluated: Sequence[EvaluatedCell]) -> Trial:
    """Return the final record of a trial: its ARG, or why it has none."""
    number, params, unit = trial.open_trial.number, dict(trial.open_trial.params), trial.learned
    units = [unit, *(cell_result.unit for cell_result in trial.evaluated)]
    failures = (each.result for each in units if isinstance(each.result, FailedResult))
    if why := next(failures, None):
        return Trial(
            number,
            params,
            "failed",
            unit.digest,
            error=why.error or "",
            reason=why.reason,
            step=why.step,
        )
    if unit.state != "done":
        step = unit.result.step if isinstance(unit.result, DivergedResult) else None
        return Trial(
            number,
            params,
            "diverged",
            unit.digest,
            reason=unit.reason,
            step=step,
            error="diverged",
        )
    lost = {j.cell.task for j in evaluated} - {s.task for s in scores(trial.evaluated)}
    if lost:
        reason = f"tuning diverged at every rate and seed on {', '.join(sorted(lost))}"
        return Trial(number, params, "diverged", unit.digest, reason=reason, error="diverged")
    (gain,) = gains(scores(evaluated), baseline=BASELINE, zero_baseline="report")
    return Trial(number, params, "complete", unit.digest, gain.arg, gain.low, gain.high)
