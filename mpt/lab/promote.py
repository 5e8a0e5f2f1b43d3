"""Promotion: trial -> re-test on fresh seeds -> campaign -> every prompt against the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.config import RunConfig
from mpt.gym.partitions import Setting
from mpt.gym.reach import Reach
from mpt.lab.campaign import Campaign, Entrant, Share, campaign, entrants, final_settings
from mpt.lab.retest import TOP, Retest, choose, retest
from mpt.lab.run import BASELINE, FULL, Judged, Lab, scores
from mpt.search.trial import Trial
from mpt.stats.scores import Gain, gains
from mpt.store.ledger import Unit
from mpt.study.study import Study


@dataclass(frozen=True)
class Promoted:
    """One meta-training of a promotion and what became of its prompt."""

    share: Share
    unit: Unit
    judged: tuple[Judged, ...]

    @property
    def setting(self) -> Setting:
        """Where it was learned and judged."""
        return self.share.setting

    @property
    def method(self) -> str:
        """Its method."""
        return self.share.method

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return self.share.config


@dataclass(frozen=True)
class Promotion:
    """A campaign with its results.

    Attributes:
        shares: every meta-training.
        baselines: the cells of the baselines, setting by setting.
        retests: of every method whose trial was chosen on fresh seeds.
        reaches: what of the tasks' rows could be read and written.
        computed: units computed by this call; reused: units that the ledger already held.
    """

    campaign: Campaign
    shares: tuple[Promoted, ...]
    baselines: tuple[Judged, ...]
    gains: tuple[Gain, ...]
    computed: int
    reused: int
    retests: tuple[Retest, ...] = ()
    reaches: tuple[Reach, ...] = ()

    @property
    def study(self) -> Study:
        """The promoted trial's study."""
        return self.campaign.study

    @property
    def trial(self) -> Trial:
        """The promoted trial."""
        return self.campaign.trial

    @property
    def champion(self) -> Promoted | None:
        """The share whose prompt is registered: the study's own method, the first setting.

        Of the first method where the own one takes no part; None when all of its meta-trainings
        diverged.
        """
        methods = [entrant.method for entrant in self.campaign.entrants]
        method = self.study.method if self.study.method in methods else methods[0]
        own = (share for share in self.shares if share.method == method)
        return next((share for share in own if share.unit.state == "done"), None)

    def baselines_of(self, setting: str) -> tuple[Judged, ...]:
        """The baselines' cells of one setting."""
        return tuple(one for one in self.baselines if one.case.setting == setting)


def prepare(
    study: Study, trials: Sequence[Trial], lab: Lab, which: str = "best", top: int = TOP
) -> tuple[Campaign, tuple[Retest, ...]]:
    """Choose the trials, the study's own and those of other methods, and lay out the campaign.

    Every row that is needed is read before a re-test computes anything.

    Args:
        study: whose trial is promoted.
        trials: of the study.
        lab: where a re-test is settled; its home holds the other methods' studies.
        which: ``best``, or a trial's number: then nothing of this study is re-tested.
        top: trials that are re-tested; 1 for none.

    Raises:
        InputError: no such trial, none finished, or one that diverged.
        UnknownName: a setting that the gym does not have.
        DataError: rows that cannot be read.
    """
    trial, settings = choose(trials, which), final_settings(study, lab.worker)
    retests: list[Retest] = []

    def winner(of: Study, among: Sequence[Trial]) -> Trial:
        if (found := retest(of, among, lab, top)) is None:
            return choose(among, "best")
        retests.append(found)
        return found.winner

    if which == "best":
        trial = winner(study, trials)
    own = Entrant(study, trial.params, f"trial {trial.number + 1} of {study.title}")
    methods = entrants(study, own, lab.worker, winner)
    return campaign(study, trial, methods, settings, lab.worker), tuple(retests)


def promote(wanted: Campaign, lab: Lab, retests: Sequence[Retest] = ()) -> Promotion:
    """Run a campaign; what the ledger holds of it is not computed again.

    Args:
        wanted: see ``prepare``.
        lab: where units are settled.
        retests: kept with the results.
    """
    before = lab.computed, lab.reused
    study = wanted.study
    title = f"{', '.join(e.method for e in wanted.entrants)} on {len(wanted.settings)} settings"
    units = lab.learn([share.config for share in wanted.shares], title, study.pack)
    learned = [share for share in wanted.shares if units[share.config.digest].state == "done"]
    cases = [*wanted.baselines, *(share.case for share in learned)]
    judged = lab.judge(cases, wanted.judging, title="target tasks", pack=study.cells_per_pack)
    shares = tuple(
        Promoted(
            share, units[share.config.digest], tuple(j for j in judged if j.case == share.case)
        )
        for share in wanted.shares
    )
    # full fine-tuning stands below the methods in every table
    ordered = scores(sorted(judged, key=lambda one: one.case.method == FULL))
    found = gains(ordered, baseline=BASELINE, zero_baseline="report", missing_task="report")
    computed, reused = lab.computed - before[0], lab.reused - before[1]
    baselines = tuple(one for one in judged if one.case in wanted.baselines)
    ends = computed, reused, tuple(retests), lab.worker.reaches
    return Promotion(wanted, shares, baselines, tuple(found), *ends)
