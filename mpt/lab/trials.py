"""Trials meta-trained and judged together; those that a pruner gives up are left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Protocol

from mpt.config import PausedRun, RunConfig
from mpt.lab.plan import Plan
from mpt.lab.run import BASELINE, Judged, Judging, Lab, scores
from mpt.search.trial import OpenTrial, Trial
from mpt.stats.scores import best_dev, gains, relative_gain
from mpt.store.results import DivergedResult, FailedResult
from mpt.store.unit import Unit
from mpt.study.pruning import Hyperband, Wilcoxon


@dataclass(frozen=True)
class Record:
    """A settled trial with everything that a tracker or report wants to know of it."""

    trial: Trial
    config: RunConfig
    unit: Unit
    judged: tuple[Judged, ...]


class PruningPolicy(Protocol):
    """Decides on pruning: a search, or what is on record."""

    def report(self, asked: OpenTrial, gains: Mapping[int, float]) -> None:
        """Take note of a trial's gains (percent) by step."""
        ...

    def should_prune(self, asked: OpenTrial, step: int) -> str:
        """Why a trial is pruned by what it reported up to ``step``, or nothing."""
        ...


@dataclass(eq=False)
class _Going:
    """A trial under way.

    Attributes:
        rungs: meta-steps at which it is looked at.
        unit: its meta-training, as far as it has come.
        judged: cells tuned from the prompt of ``unit``.
        end: what it came to, if it was pruned.
    """

    asked: OpenTrial
    config: RunConfig
    rungs: tuple[int, ...] = ()
    unit: Unit | None = None
    judged: list[Judged] = field(default_factory=list)
    end: Trial | None = None

    @property
    def learned(self) -> Unit:
        """Its meta-training, which must have begun."""
        assert self.unit is not None
        return self.unit


@dataclass
class Settler:
    """Settles the trials of a study.

    Attributes:
        concrete: the study, on its rows and weights.
        lab: where units are settled.
        policy: who decides on pruning.
        baseline: plain prompt tuning's cells on the validation tasks.
    """

    concrete: Plan
    lab: Lab
    policy: PruningPolicy
    baseline: Sequence[Judged]

    def settle(self, asked: Sequence[OpenTrial]) -> list[Record]:
        """Some trials, lowest number first, meta-trained and judged."""
        study, pruner = self.concrete.study, self.concrete.study.pruner
        span = f"trial {asked[0].number + 1}" + (f"-{asked[-1].number + 1}" if asked[1:] else "")
        trials = [self._begin(one) for one in asked]
        if isinstance(pruner, Hyperband):
            self._climb(trials, span)
        trained = [trial for trial in trials if trial.end is None]
        self._learn(trained, [trial.config for trial in trained], f"{span}: {study.method}")
        healthy = [trial for trial in trained if trial.learned.state == "done"]
        if isinstance(pruner, Wilcoxon):
            self._judge_by_seed(healthy, f"{span}: validation")
        else:
            self._tune(healthy, self.concrete.judging, f"{span}: validation")
        return [self._record(trial) for trial in trials]

    def _begin(self, asked: OpenTrial) -> _Going:
        study, config = self.concrete.study, self.concrete.config(asked.params)
        if not isinstance(pruner := study.pruner, Hyperband):
            return _Going(asked, config)
        bracket = pruner.bracket(asked.number, study.seed, study.most_steps)
        return _Going(asked, config, pruner.rungs(bracket, config.updates, study.most_steps))

    def _climb(self, trials: Sequence[_Going], span: str) -> None:
        """Meta-train from rung to rung. At each, one data seed and rate is tuned, and trials are
        looked at in the order of their numbers."""
        whole, rung = self.concrete.judging, 0
        cheap = replace(whole, seeds=whole.seeds[:1], lrs=whole.lrs[:1])
        while going := [t for t in trials if t.end is None and rung < len(t.rungs)]:
            title = f"{span}: rung {rung + 1}"
            self._learn(going, [PausedRun.of(t.config, t.rungs[rung]) for t in going], title)
            for trial in going:
                if trial.learned.state != "done":
                    # it diverged, and will be seen to when it is learned as a whole
                    trial.rungs = ()
            alive = [trial for trial in going if trial.rungs]
            self._tune(alive, cheap, title)
            for trial in alive:
                found = self._gains(trial)
                # a task that was lost altogether counts as one
                gain = fmean(found.get((task, cheap.seeds[0]), -100.0) for task in self._levels)
                self._look(trial, {trial.rungs[rung]: gain}, trial.rungs[rung])
                if trial.end is not None:
                    self.lab.worker.checkpoints.drop(trial.config.digest)
                else:
                    trial.judged = []
            rung += 1

    def _judge_by_seed(self, trials: Sequence[_Going], title: str) -> None:
        """Tune under one data seed after the other, with a look after each but the last."""
        whole, tasks = self.concrete.judging, self.concrete.tasks
        places = [(task, seed) for seed in whole.seeds for task in tasks]
        for done, seed in enumerate(whole.seeds, 1):
            going = [trial for trial in trials if trial.end is None]
            self._tune(going, replace(whole, seeds=(seed,)), title)
            for trial in going:
                found = self._gains(trial)
                reports = {at: found[pair] for at, pair in enumerate(places) if pair in found}
                if done < len(whole.seeds):
                    self._look(trial, reports, done * len(tasks))
                else:
                    self.policy.report(trial.asked, reports)

    def _learn(self, trials: Sequence[_Going], configs: Sequence[RunConfig], title: str) -> None:
        units = self.lab.learn(configs, title, self.concrete.study.pack)
        for trial, config in zip(trials, configs, strict=True):
            trial.unit = units[config.digest]

    def _tune(self, trials: Sequence[_Going], judging: Judging, title: str) -> None:
        cases = {
            t.config.digest: replace(
                self.concrete.baseline, method=t.config.digest, start=t.learned.digest
            )
            for t in trials
        }
        pack = self.concrete.study.cells_per_pack
        judged = self.lab.judge(list(cases.values()), judging, title=title, pack=pack)
        for trial in trials:
            trial.judged += [one for one in judged if one.case.method == trial.config.digest]

    def _look(self, trial: _Going, reports: Mapping[int, float], step: int) -> None:
        self.policy.report(trial.asked, reports)
        if reason := self.policy.should_prune(trial.asked, step):
            number, params = trial.asked.number, dict(trial.asked.params)
            trial.end = Trial(
                number, params, "pruned", trial.learned.digest, reason=reason, step=step
            )

    @cached_property
    def _levels(self) -> dict[str, float]:
        """Mean test score of plain prompt tuning by task, where there is something to gain on."""
        found: dict[str, list[float]] = {}
        for score in best_dev(scores(self.baseline)):
            found.setdefault(score.task, []).append(score.test)
        return {task: level for task, tests in found.items() if (level := fmean(tests)) > 0}

    def _gains(self, trial: _Going) -> dict[tuple[str, int], float]:
        """Relative gain (percent) by task and data seed; their mean is the ARG."""
        return {
            (score.task, score.seed): relative_gain(score.test, self._levels[score.task])
            for score in best_dev(scores(trial.judged))
            if score.task in self._levels
        }

    def _record(self, trial: _Going) -> Record:
        judged = (*self.baseline, *trial.judged)
        end = trial.end or _end(trial, judged)
        return Record(end, trial.config, trial.learned, judged)


def _end(trial: _Going, judged: Sequence[Judged]) -> Trial:
    """A trial's ARG, or why it has none."""
    number, params, unit = trial.asked.number, dict(trial.asked.params), trial.learned
    tried = [unit, *(one.unit for one in trial.judged)]
    failures = (one.result for one in tried if isinstance(one.result, FailedResult))
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
    lost = {j.cell.task for j in judged} - {s.task for s in scores(trial.judged)}
    if lost:
        reason = f"tuning diverged at every rate and seed on {', '.join(sorted(lost))}"
        return Trial(number, params, "diverged", unit.digest, reason=reason, error="diverged")
    (gain,) = gains(scores(judged), baseline=BASELINE, zero_baseline="report")
    return Trial(number, params, "complete", unit.digest, gain.arg, gain.low, gain.high)
