"""Promotion: the best trial's configuration on every setting, judged on all seeds and rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.config import VOCABULARY, RunConfig
from mpt.errors import InputError
from mpt.gym.partitions import Setting
from mpt.lab.ledger import Unit
from mpt.lab.run import BASELINE, Case, Judged, Judging, Lab, scores
from mpt.lab.search import Trial
from mpt.lab.settings import settings_of
from mpt.lab.study import Study
from mpt.scores import Gain, gains


@dataclass(frozen=True)
class Promoted:
    """One setting's share of a promotion."""

    setting: Setting
    config: RunConfig
    unit: Unit
    judged: tuple[Judged, ...]


@dataclass(frozen=True)
class Promotion:
    """A configuration judged on settings.

    Attributes:
        champion: the setting whose prompt is registered: the first one, the broadest.
        computed: units computed by this call; reused: units that the ledger already held.
    """

    study: Study
    trial: Trial
    shares: tuple[Promoted, ...]
    gains: tuple[Gain, ...]
    computed: int
    reused: int

    @property
    def champion(self) -> Promoted | None:
        """The share whose prompt is registered; None when every meta-training diverged."""
        return next((share for share in self.shares if share.unit.state == "done"), None)


def choose(trials: Sequence[Trial], which: str) -> Trial:
    """The trial meant by ``best`` or by its number as shown, counted from 1.

    Raises:
        InputError: no such trial, none finished yet, or one that diverged.
    """
    complete = [trial for trial in trials if trial.state == "complete" and trial.arg is not None]
    if not complete:
        raise InputError("the study has no finished trial to promote; run `mpt sweep` first")
    if which == "best":
        return max(complete, key=lambda trial: (trial.arg or 0.0, -trial.number))
    chosen = next((trial for trial in trials if str(trial.number + 1) == which), None)
    if chosen is None:
        raise InputError(
            f"there is no trial {which!r}; give 'best' or a number from 1 to {len(trials)}"
        )
    if chosen not in complete:
        raise InputError(
            f"trial {which} is {chosen.state}{f' ({chosen.reason})' if chosen.reason else ''}; "
            "promote a finished one"
        )
    return chosen


def promote(study: Study, trial: Trial, lab: Lab) -> Promotion:
    """Run a trial's configuration on the study's final settings.

    Raises:
        UnknownName: a setting that the gym does not have.
        DataError: rows that cannot be read.
    """
    before = lab.computed, lab.reused
    partitions = settings_of(study, lab.worker.gym)
    settings = [
        partitions.setting(name) for name in study.final.settings or tuple(partitions.settings)
    ]
    for setting in settings:
        # a row that cannot be read is told now, not after the meta-trainings
        lab.worker.data_digest(setting.targets, study.final.seeds, study.target_shots)
    configs = [_config(study, trial, setting, lab) for setting in settings]
    units = lab.learn(configs, f"{study.method} on {len(settings)} settings", study.pack)
    cases = []
    for setting, config in zip(settings, configs, strict=True):
        cases.append(Case(setting.name, BASELINE, VOCABULARY, setting.targets))
        if units[config.digest].state == "done":
            cases.append(Case(setting.name, study.method, config.digest, setting.targets))
    judging = Judging(study.final.seeds, study.final.lrs, study.tuning, study.target_shots)
    judged = lab.judge(cases, judging, title="target tasks", pack=study.cells_per_pack)
    shares = tuple(
        Promoted(s, c, units[c.digest], tuple(j for j in judged if j.case.setting == s.name))
        for s, c in zip(settings, configs, strict=True)
    )
    found = gains(scores(judged), baseline=BASELINE, zero_baseline="report", missing_task="report")
    computed, reused = lab.computed - before[0], lab.reused - before[1]
    return Promotion(study, trial, shares, tuple(found), computed, reused)


def _config(study: Study, trial: Trial, setting: Setting, lab: Lab) -> RunConfig:
    data = lab.worker.data_digest(setting.sources, study.source_seeds, study.source_shots)
    weights = lab.worker.backbone.weights
    return study.run(trial.params, sources=setting.sources, weights=weights, data=data)
