"""The winner's curse: a search's best trials on fresh data seeds, before one is promoted.

The best of many noisy scores flatters its trial. The first trials of the ranking are therefore
judged once more on the validation tasks, on seeds that the search did not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.errors import InputError
from mpt.gym.splits import SEEDS
from mpt.lab.plan import VALIDATION, plan
from mpt.lab.run import Case, Judging, Lab, scores
from mpt.search.trial import Trial
from mpt.stats.paired import Paired, compare
from mpt.stats.scores import Gain, gains
from mpt.study.study import Study

TOP = 3
"""Trials that are re-tested unless asked otherwise."""


@dataclass(frozen=True)
class Retest:
    """What the fresh seeds said.

    Attributes:
        study: the study's title.
        seeds: the fresh data seeds.
        ranking: re-tested trials with their gains, the best one first.
        lead: the winner against the runner-up, in points of ARG, on these tasks.
    """

    study: str
    seeds: tuple[int, ...]
    ranking: tuple[tuple[Trial, Gain], ...]
    lead: Paired

    @property
    def winner(self) -> Trial:
        """The trial with the highest ARG on the fresh seeds."""
        return self.ranking[0][0]


def choose(trials: Sequence[Trial], which: str) -> Trial:
    """The trial meant by ``best`` or by its number as shown, counted from 1.

    Raises:
        InputError: no such trial, none finished yet, or one that diverged.
    """
    complete = ranked(trials)
    if not complete:
        raise InputError("the study has no finished trial to promote; run `mpt sweep` first")
    if which == "best":
        return complete[0]
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


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The finished trials, the best validation ARG first; the earlier one of two alike."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.arg is not None]
    return sorted(complete, key=lambda trial: (-(trial.arg or 0.0), trial.number))


def candidates(study: Study, trials: Sequence[Trial], top: int) -> list[Trial]:
    """The trials that a re-test compares; none where there is nothing to compare, or no seed."""
    distinct = {trial.digest: trial for trial in reversed(ranked(trials))}
    first = ranked(tuple(distinct.values()))[:top]
    return first if len(first) > 1 and fresh_seeds(study) else []


def untested(study: Study, trials: Sequence[Trial], top: int) -> str | None:
    """Why there is no re-test, for people; None if there is one, or if none was asked for."""
    if top < 2 or candidates(study, trials, top):
        return None
    if fresh_seeds(study):
        return "the search has one finished configuration, and nothing to compare it with"
    return (
        f"the search used all {len(SEEDS)} data seeds, so that its best score may be luck; a study "
        "with fewer 'validation.seeds' leaves some for a re-test"
    )


def fresh_seeds(study: Study) -> tuple[int, ...]:
    """Data seeds of the validation tasks that the search did not use."""
    return tuple(seed for seed in SEEDS if seed not in study.validation.seeds)


def cases(study: Study, trials: Sequence[Trial], lab: Lab) -> tuple[list[Case], Judging]:
    """What a re-test of these trials tunes: the baseline's cells and theirs, on fresh seeds.

    A trial whose meta-training is computed otherwise by now is learned again; one that diverges
    then has no case.
    """
    concrete = plan(study, lab.worker)
    configs = {trial.digest: concrete.config(trial.params) for trial in trials}
    again = [config for digest, config in configs.items() if config.digest != digest]
    units = lab.learn(again, f"{study.title}: re-test", study.pack) if again else {}
    lost = {digest for digest, unit in units.items() if unit.state in ("diverged", "failed")}
    own = [
        Case(VALIDATION, digest, config.digest, concrete.tasks)
        for digest, config in configs.items()
        if config.digest not in lost
    ]
    seeds, rates = fresh_seeds(study), study.validation.lrs
    judging = Judging(seeds, rates, study.tuning, study.target_shots)
    return [concrete.baseline, *own], judging


def retest(study: Study, trials: Sequence[Trial], lab: Lab, top: int = TOP) -> Retest | None:
    """Judge the ``top`` trials of a study on fresh seeds, and rank them by that alone.

    Returns:
        None where fewer than two trials can be compared: there are no others, the search has used
        every data seed, or tuning diverged.
    """
    first = candidates(study, trials, top)
    if not first:
        return None
    wanted, judging = cases(study, first, lab)
    judged = lab.judge(wanted, judging, title=f"{study.title}: re-test", pack=study.cells_per_pack)
    found = scores(judged)
    if len({score.method for score in found}) < len(first) + 1:
        return None
    args = {g.method: g for g in gains(found, zero_baseline="report", missing_task="report")}
    order = sorted(first, key=lambda trial: (-args[trial.digest].arg, trial.number))
    ranking = tuple((trial, args[trial.digest]) for trial in order)
    lead = compare(found, order[0].digest, order[1].digest)
    return Retest(study.title, judging.seeds, ranking, lead)
