"""Race a study's trials on further data seeds until the best one is separated from the others.

How the error rate is bounded over several rounds is in ``mpt.stats.racing``. All results are units
in the ledger, so that a race that was stopped is continued by the same command; a finished one is
recorded there too, for promotions and reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mpt.errors import MptError
from mpt.gym.source import data_seeds
from mpt.lab.plan import VALIDATION, SweepPlan
from mpt.lab.run import BASELINE, EvalTarget, EvaluatedCell, Lab, scores
from mpt.lab.search_noise import distinct, name_of
from mpt.schema import Frozen
from mpt.search.earlier_numbers import FIRST, first_of
from mpt.search.trial import Trial
from mpt.stats.gain_table import table_of
from mpt.stats.racing import PlannedRound, beaten, schedule
from mpt.stats.separation import ranking
from mpt.store.ledger import Ledger
from mpt.store.results import FailedResult

LOSS = -100.0
"""The gain in percent of a trial on a cell whose tuning diverged."""


class Round(Frozen):
    """One round of a race. Trials are given by their numbers.

    Attributes:
        seeds: the number of data seeds.
        args: ARG in percent over these seeds of the trials that were in the race.
        left: the trials that stay in the race, by mean gain.
        dropped: the trials that leave it, each with the trial that it is significantly below.
    """

    seeds: int
    args: Mapping[int, float]
    left: tuple[int, ...]
    dropped: Mapping[int, int] = {}


class Race(Frozen):
    """A race that has ended: one trial is left, or every data seed is spent.

    Attributes:
        entrants: digest of every trial that began it, by number.
        seeds: the data seeds that were used, the study's own first.
        rounds: its rounds, in order.
    """

    entrants: Mapping[int, str]
    seeds: tuple[int, ...]
    rounds: tuple[Round, ...]

    @property
    def left(self) -> tuple[int, ...]:
        """Return the trials that are not separated from the best, by mean gain."""
        return self.rounds[-1].left if self.rounds else tuple(self.entrants)

    @property
    def winner(self) -> int | None:
        """Return the number of the trial that is better than all others at 95 %, if one is."""
        return self.left[0] if len(self.left) == 1 else None

    def is_of(self, trials: Sequence[Trial]) -> bool:
        """Tell whether these trials, and no others, took part."""
        return self.entrants == _entrants(trials)


def race(concrete: SweepPlan, trials: Sequence[Trial], lab: Lab) -> Race:
    """Tune from every trial's prompt on further data seeds, while it may still be the best.

    Plain prompt tuning is run on the same seeds. Gains are compared relative to its means on the
    study's own seeds, which are known before the race; the reported ARGs are over all seeds.

    Args:
        concrete: the resolved study.
        trials: of the study; those that completed take part.
        lab: runs the cells.

    Raises:
        Stopped: the lab's worker was asked to stop; the same call continues.
        MptError: a cell failed.
    """
    entrants = distinct(trials)
    own = concrete.study.validation.seeds
    seeds = (*own, *(seed for seed in data_seeds(lab.worker.gym) if seed not in own))
    planned_rounds = schedule(len(own), len(seeds))
    left, rounds = entrants, list[Round]()
    for planned in planned_rounds if len(entrants) > 1 else ():
        evaluated = _evaluate(concrete, left, seeds[: planned.seeds], lab)
        rounds.append(_round(evaluated, own, planned, len(entrants)))
        lab.progress.say(f"race: {round_line(rounds[-1])}")
        left = [trial for trial in left if trial.number in rounds[-1].left]
        if len(left) == 1:
            break
    used = rounds[-1].seeds if rounds else len(own)
    return Race(entrants=_entrants(trials), seeds=seeds[:used], rounds=tuple(rounds))


def round_line(ended: Round) -> str:
    """Describe a round: how many data seeds there are, which trials are left, and which leave."""
    left = f"{'trial' if len(ended.left) == 1 else 'trials'} {', '.join(map(str, ended.left))} left"
    by_winner: dict[int, list[int]] = {}
    for loser, winner in ended.dropped.items():
        by_winner.setdefault(winner, []).append(loser)
    below = (
        f"{', '.join(map(str, sorted(losers)))} significantly below {winner}"
        for winner, losers in by_winner.items()
    )
    return "; ".join([f"{ended.seeds} data seeds: {left}", *below])


def record_race(race: Race, title: str, ledger: Ledger) -> None:
    """Record a race that has ended, for the study of this title."""
    digests = [race.entrants[number] for number in race.left]
    ledger.link(_owner(title), {FIRST: 0, **race.model_dump(mode="json")}, digests)


def recorded_race(title: str, trials: Sequence[Trial], ledger: Ledger) -> Race | None:
    """Return the last recorded race between these trials; None if there is none."""
    races = [_read_race(role) for role, _ in ledger.linked(_owner(title))]
    return next((race for race in reversed(races) if race.is_of(trials)), None)


def race_winner(title: str, trials: Sequence[Trial], ledger: Ledger) -> Trial | None:
    """Return the trial that won the last race between these trials, if one did."""
    ended = recorded_race(title, trials, ledger)
    return next((trial for trial in trials if ended and trial.number == ended.winner), None)


def race_rows(race: Race) -> Iterator[dict[str, object]]:
    """Yield a row per round and trial: its ARG over the seeds so far, and whether it stays."""
    for ended in race.rounds:
        for number, arg in ended.args.items():
            yield {
                "seeds": ended.seeds,
                "trial": number,
                "arg": arg,
                "state": "left" if number in ended.left else "dropped",
                "below": ended.dropped.get(number),
            }


def _read_race(role: Mapping[str, object]) -> Race:
    """Return a race as it was recorded, its trials by today's numbers."""
    race = Race.model_validate({key: value for key, value in role.items() if key != FIRST})
    first = first_of(role)
    rounds = (
        Round(
            seeds=each.seeds,
            args={number - first: arg for number, arg in each.args.items()},
            left=tuple(number - first for number in each.left),
            dropped={loser - first: winner - first for loser, winner in each.dropped.items()},
        )
        for each in race.rounds
    )
    entrants = {number - first: digest for number, digest in race.entrants.items()}
    return Race(entrants=entrants, seeds=race.seeds, rounds=tuple(rounds))


def _owner(title: str) -> str:
    return f"race:{title}"


def _entrants(trials: Sequence[Trial]) -> dict[int, str]:
    return {trial.number: trial.digest for trial in distinct(trials)}


def _evaluate(
    concrete: SweepPlan, trials: Sequence[Trial], seeds: tuple[int, ...], lab: Lab
) -> list[EvaluatedCell]:
    study = concrete.study
    targets = [
        EvalTarget(VALIDATION, name_of(trial), trial.digest, concrete.tasks) for trial in trials
    ]
    evaluated = lab.evaluate_cells(
        [concrete.baseline, *targets],
        replace(concrete.eval_protocol, seeds=seeds),
        title=f"race on {len(seeds)} data seeds",
        pack=study.cells_per_pack,
    )
    failed = (each for each in evaluated if isinstance(each.unit.result, FailedResult))
    if each := next(failed, None):
        raise MptError(
            f"tuning on {each.cell.task} with data seed {each.cell.data_seed} failed, which the "
            f"race needs: {each.unit.reason}",
            fix="the same command tries again",
        )
    return evaluated


def _round(
    evaluated: Sequence[EvaluatedCell], own: Sequence[int], planned: PlannedRound, entrants: int
) -> Round:
    """Compare the trials in the race; ``own`` are the data seeds of the study itself."""
    every = scores(evaluated)
    known = [score for score in every if score.method != BASELINE or score.seed in own]
    table = table_of(known, loss=LOSS)
    lost = beaten(table, entrants, planned.alpha)
    args = table_of(every, loss=LOSS)
    by_name = dict(zip(args.trials, map(float, args.means), strict=True))
    order = [table.trials[row] for row in ranking(table)]
    return Round(
        seeds=planned.seeds,
        args={int(name): by_name[name] for name in order},
        left=tuple(int(name) for name in order if name not in lost),
        dropped={int(loser): int(winner) for loser, winner in lost.items()},
    )
