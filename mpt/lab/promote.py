"""Promotion: re-test trials on fresh seeds, run a campaign, compare prompts with baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.config import RunConfig
from mpt.gym.partitions import Setting
from mpt.gym.reach import Reach
from mpt.lab.campaign import (
    Campaign,
    MetaRun,
    MethodConfig,
    campaign,
    final_settings,
    method_configs,
)
from mpt.lab.race import race_winner
from mpt.lab.retest import TOP, Retest, choose, retest
from mpt.lab.run import BASELINE, FULL, EvaluatedCell, Lab, scores
from mpt.search.trial import Trial
from mpt.stats.scores import Gain, gains
from mpt.store.ledger import Unit
from mpt.study.study import Study


@dataclass(frozen=True)
class EvaluatedRun:
    """Hold a meta-run of a promotion with its unit and the cell results of its prompt."""

    meta_run: MetaRun
    unit: Unit
    evaluated: tuple[EvaluatedCell, ...]

    @property
    def setting(self) -> Setting:
        """Return the setting that it was learned and evaluated on."""
        return self.meta_run.setting

    @property
    def method(self) -> str:
        """Return the name of its method."""
        return self.meta_run.method

    @property
    def config(self) -> RunConfig:
        """Return its configuration."""
        return self.meta_run.config


@dataclass(frozen=True)
class Promotion:
    """Hold a campaign with its results.

    Attributes:
        meta_runs: all of them, evaluated.
        baselines: the cell results of the baselines, setting by setting.
        gains: over plain prompt tuning, by setting and method.
        computed: number of units computed by this call.
        reused: number of units that the ledger already had.
        retests: of every method whose trial was chosen on fresh seeds.
        reaches: how much of the tasks' inputs and answers fits the length limits.
    """

    campaign: Campaign
    meta_runs: tuple[EvaluatedRun, ...]
    baselines: tuple[EvaluatedCell, ...]
    gains: tuple[Gain, ...]
    computed: int
    reused: int
    retests: tuple[Retest, ...] = ()
    reaches: tuple[Reach, ...] = ()

    @property
    def study(self) -> Study:
        """Return the promoted trial's study."""
        return self.campaign.study

    @property
    def trial(self) -> Trial:
        """Return the promoted trial."""
        return self.campaign.trial

    @property
    def champion(self) -> EvaluatedRun | None:
        """Return the meta-run whose prompt is registered: the study's method on the first setting.

        If the study's method takes no part, the first method is used instead. Settings whose
        meta-training diverged are skipped; None if all did.
        """
        methods = [method_config.method for method_config in self.campaign.method_configs]
        method = self.study.method if self.study.method in methods else methods[0]
        own = (meta_run for meta_run in self.meta_runs if meta_run.method == method)
        return next((meta_run for meta_run in own if meta_run.unit.state == "done"), None)

    def baselines_of(self, setting: str) -> tuple[EvaluatedCell, ...]:
        """Return the baselines' cell results of one setting."""
        return tuple(
            cell_result
            for cell_result in self.baselines
            if cell_result.eval_target.setting == setting
        )


def prepare(
    study: Study,
    trials: Sequence[Trial],
    lab: Lab,
    which: str = "best",
    top: int = TOP,
    *,
    is_raced: bool = True,
) -> tuple[Campaign, tuple[Retest, ...]]:
    """Choose the trials of the study and of other methods, and build the campaign.

    All data that is needed is read before a re-test computes anything.

    Args:
        study: study of the trial to promote.
        trials: of the study.
        lab: runs the re-tests; its home contains the other methods' studies.
        which: ``best``, or a trial's number, which skips the re-test of this study.
        top: number of trials to re-test; 1 for no re-test.
        is_raced: whether the winner of a race (``mpt.lab.race``) is the best, without a re-test.

    Raises:
        InputError: there is no such trial, none has completed, or the chosen one diverged.
        UnknownName: the gym lacks a setting.
        DataError: rows cannot be read.
    """
    trial, settings = choose(trials, which), final_settings(study, lab.worker)
    retests: list[Retest] = []

    def winner(of: Study, among: Sequence[Trial]) -> Trial:
        if is_raced and (raced := race_winner(of.title, among, lab.ledger)):
            return raced
        if (outcome := retest(of, among, lab, top)) is None:
            return choose(among, "best")
        retests.append(outcome)
        return outcome.winner

    if which == "best":
        trial = winner(study, trials)
    own = MethodConfig(study, trial.params, f"trial {trial.number} of {study.title}")
    methods = method_configs(study, own, lab.worker, winner)
    return campaign(study, trial, methods, settings, lab.worker), tuple(retests)


def promote(wanted: Campaign, lab: Lab, retests: Sequence[Retest] = ()) -> Promotion:
    """Run a campaign, computing only the units that the ledger lacks.

    Args:
        wanted: see ``prepare``.
        lab: runs the units.
        retests: stored with the results.
    """
    before = lab.computed, lab.reused
    study = wanted.study
    title = (
        f"{', '.join(e.method for e in wanted.method_configs)} on {len(wanted.settings)} settings"
    )
    units = lab.learn([meta_run.config for meta_run in wanted.meta_runs], title, study.pack)
    learned = [
        meta_run for meta_run in wanted.meta_runs if units[meta_run.config.digest].state == "done"
    ]
    eval_targets = [*wanted.baselines, *(meta_run.eval_target for meta_run in learned)]
    evaluated = lab.evaluate_cells(
        eval_targets, wanted.eval_protocol, title="target tasks", pack=study.cells_per_pack
    )
    meta_runs = tuple(
        EvaluatedRun(
            meta_run,
            units[meta_run.config.digest],
            tuple(j for j in evaluated if j.eval_target == meta_run.eval_target),
        )
        for meta_run in wanted.meta_runs
    )
    # full fine-tuning comes after the methods in every table
    ordered = scores(
        sorted(evaluated, key=lambda cell_result: cell_result.eval_target.method == FULL)
    )
    all_gains = gains(ordered, baseline=BASELINE, zero_baseline="report", missing_task="report")
    computed, reused = lab.computed - before[0], lab.reused - before[1]
    baselines = tuple(
        cell_result for cell_result in evaluated if cell_result.eval_target in wanted.baselines
    )
    ends = computed, reused, tuple(retests), lab.worker.reaches
    return Promotion(wanted, meta_runs, baselines, tuple(all_gains), *ends)
