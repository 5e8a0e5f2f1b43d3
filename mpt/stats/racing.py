"""Racing: spend data seeds on the trials that may still be the best, until one is left.

After every few seeds all trials in the race are compared pairwise on the seeds so far, and a trial
that is significantly below another one leaves (Maron and Moore 1994; Birattari et al. 2002). The
error of the whole race is bounded, however many rounds it has:

* rounds are planned beforehand (``schedule``) and share the 5 % in proportion to their seeds, as
  early ones decide little (alpha spending);
* in a round, a two-sided test of two trials has its share over T - 1, T being the trials that began
  the race, since any of the T - 1 others could eliminate the best one by chance.

By the union bound a race then names a trial that is not the best, or one of several equally good
ones, with a probability of at most 5 %, whatever the correlation between cells, trials and rounds;
the best trial is eliminated with at most half of that. The p-values are those of paired t tests,
see ``mpt.stats.separation``.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpt.stats.gain_table import GainTable
from mpt.stats.intervals import LEVEL
from mpt.stats.separation import Contrasts


@dataclass(frozen=True, slots=True)
class PlannedRound:
    """A round of a race, in which all trials that are still in it are compared.

    Attributes:
        seeds: the number of data seeds that every trial in the race has by then.
        alpha: the round's share of the error.
    """

    seeds: int
    alpha: float


def schedule(first: int, last: int) -> tuple[PlannedRound, ...]:
    """Plan the rounds of a race: half as many seeds again each time, at least one more.

    Args:
        first: the number of data seeds that all trials have; a round needs two.
        last: the number of all data seeds.
    """
    counts = [first] if first > 1 else []
    while first < last:
        first = min(last, first + max(1, first // 2))
        counts.append(first)
    return tuple(PlannedRound(count, (1 - LEVEL) * count / sum(counts)) for count in counts)


def beaten(table: GainTable, entrants: int, alpha: float) -> dict[str, str]:
    """Return the trials that leave the race in a round, each with the one that it is most below.

    Args:
        table: the trials in the race, with at least two data seeds on every task.
        entrants: number of trials that began the race.
        alpha: the round's share of the error.
    """
    if len(table.trials) < 2:
        return {}
    contrasts = Contrasts(table)
    is_below = (contrasts.p * (entrants - 1) <= alpha) & (contrasts.difference < 0)
    winners = contrasts.difference.argmin(axis=1)
    names = table.trials
    return {
        names[row]: names[int(winners[row])] for row in range(len(names)) if is_below[row].any()
    }
