"""Re-test a search's best trials on fresh data seeds before one of them is promoted.

The best of many noisy scores is biased upwards (winner's curse). The top trials are therefore
evaluated again on the validation tasks, with data seeds that the search did not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpt.errors import InputError
from mpt.gym.splits import SEEDS
from mpt.lab.plan import VALIDATION, plan
from mpt.lab.run import EvalProtocol, EvalTarget, Lab, scores
from mpt.search.trial import Trial
from mpt.stats.paired import Paired, compare
from mpt.stats.scores import Gain, gains
from mpt.study.study import Study

TOP = 3
"""Number of trials that are re-tested by default."""


@dataclass(frozen=True)
class Retest:
    """Hold the outcome of a re-test.

    Attributes:
        study: title of the study.
        seeds: the fresh data seeds.
        ranking: re-tested trials with their gains, the best one first.
        lead: comparison of winner and runner-up on these tasks, in points of ARG.
    """

    study: str
    seeds: tuple[int, ...]
    ranking: tuple[tuple[Trial, Gain], ...]
    lead: Paired

    @property
    def winner(self) -> Trial:
        """Return the trial with the highest ARG on the fresh seeds."""
        return self.ranking[0][0]


def choose(trials: Sequence[Trial], which: str) -> Trial:
    """Return the trial given by ``best`` or by its number.

    Raises:
        InputError: there is no such trial, none has completed, or it diverged.
    """
    complete = ranked(trials)
    if not complete:
        raise InputError(
            "the study has no completed trial to promote",
            fix="run `mpt sweep` first",
        )
    if which == "best":
        return complete[0]
    chosen = next((trial for trial in trials if str(trial.number) == which), None)
    if chosen is None:
        raise InputError(
            f"there is no trial {which!r}",
            fix=f"give 'best' or a number from 0 to {len(trials) - 1}",
        )
    if chosen not in complete:
        raise InputError(
            f"trial {which} is {chosen.state}{f' ({chosen.reason})' if chosen.reason else ''}",
            fix="promote a completed one",
        )
    return chosen


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Sort the completed trials by validation ARG, highest first, and by number if equal."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.arg is not None]
    return sorted(complete, key=lambda trial: (-(trial.arg or 0.0), trial.number))


def candidates(study: Study, trials: Sequence[Trial], top: int) -> list[Trial]:
    """Return the trials to re-test; none if there are fewer than two, or no fresh seeds."""
    distinct = {trial.digest: trial for trial in reversed(ranked(trials))}
    first = ranked(tuple(distinct.values()))[:top]
    return first if len(first) > 1 and fresh_seeds(study) else []


def untested(study: Study, trials: Sequence[Trial], top: int) -> str | None:
    """Return why there is no re-test, for people; None if there is one or none was requested."""
    if top < 2 or candidates(study, trials, top):
        return None
    if fresh_seeds(study):
        return "the search has only one completed configuration, so there is nothing to compare"
    return (
        f"the search used all {len(SEEDS)} data seeds, so its best score may be due to chance; a "
        "study with fewer 'validation.seeds' leaves some for a re-test"
    )


def fresh_seeds(study: Study) -> tuple[int, ...]:
    """Return the data seeds that the search did not use."""
    return tuple(seed for seed in SEEDS if seed not in study.validation.seeds)


def eval_targets(
    study: Study, trials: Sequence[Trial], lab: Lab
) -> tuple[list[EvalTarget], EvalProtocol]:
    """Return the eval targets of a re-test, the baseline and these trials, and its eval protocol.

    A trial is meta-trained again if its configuration has changed since, such as by a revision of
    its method; if it diverges then, it has no eval target.
    """
    concrete = plan(study, lab.worker)
    configs = {trial.digest: concrete.config(trial.params) for trial in trials}
    again = [config for digest, config in configs.items() if config.digest != digest]
    units = lab.learn(again, f"{study.title}: re-test", study.pack) if again else {}
    lost = {digest for digest, unit in units.items() if unit.state in ("diverged", "failed")}
    own = [
        EvalTarget(VALIDATION, digest, config.digest, concrete.tasks)
        for digest, config in configs.items()
        if config.digest not in lost
    ]
    seeds, rates = fresh_seeds(study), study.validation.lrs
    eval_protocol = EvalProtocol(seeds, rates, study.tuning, study.target_shots)
    return [concrete.baseline, *own], eval_protocol


def retest(study: Study, trials: Sequence[Trial], lab: Lab, top: int = TOP) -> Retest | None:
    """Evaluate the ``top`` trials of a study on fresh seeds, and rank them by that alone.

    Returns:
        The outcome, or None if fewer than two trials can be compared: there are no others, the
        search has used every data seed, or tuning diverged.
    """
    tested = candidates(study, trials, top)
    if not tested:
        return None
    targets, eval_protocol = eval_targets(study, tested, lab)
    evaluated = lab.evaluate_cells(
        targets, eval_protocol, title=f"{study.title}: re-test", pack=study.cells_per_pack
    )
    all_scores = scores(evaluated)
    if len({score.method for score in all_scores}) < len(tested) + 1:
        return None
    args = {g.method: g for g in gains(all_scores, zero_baseline="report", missing_task="report")}
    order = sorted(tested, key=lambda trial: (-args[trial.digest].arg, trial.number))
    ranking = tuple((trial, args[trial.digest]) for trial in order)
    lead = compare(all_scores, order[0].digest, order[1].digest)
    return Retest(study.title, eval_protocol.seeds, ranking, lead)
