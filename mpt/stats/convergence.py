"""How soon tuning from a learned prompt is as good as tuning from vocabulary rows ever gets.

The goal of a race is the best dev score that the baseline reached on a (task, seed); its time is
the first look at dev with at least that score. The baseline reaches its own best by definition,
a method may not within the budget: such a race is censored, and only bounds its speed-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Dev scores of one downstream cell while it was tuned, at the rate that its seed chose.

    Attributes:
        steps: updates taken before each look; the last one is the budget.
        devs: the scores seen.
        meta_seed: as in ``Score``; each meta-training races on its own.
    """

    setting: str
    method: str
    task: str
    seed: int
    steps: tuple[int, ...]
    devs: tuple[float, ...]
    meta_seed: int = 0

    def reached(self, goal: float) -> int | None:
        """Updates until the first look with at least this score; None if there was none."""
        return next((s for s, dev in zip(self.steps, self.devs, strict=True) if dev >= goal), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """A method and the baseline on one (task, seed).

    Attributes:
        goal: the baseline's best dev score.
        baseline_step: updates until the baseline had it.
        step: updates until the method had it; None where ``budget`` updates were not enough.
    """

    task: str
    seed: int
    goal: float
    baseline_step: int
    step: int | None
    budget: int

    @property
    def speedup(self) -> tuple[float, float]:
        """From and to how many times as fast; equal where the method got there."""
        if self.step is None:
            return 0.0, self.baseline_step / self.budget
        times = self.baseline_step / self.step
        return times, times


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A method's races in a setting."""

    setting: str
    method: str
    baseline: str
    races: tuple[Race, ...]

    @property
    def reached(self) -> int:
        """Races in which the method got to the baseline's best."""
        return sum(race.step is not None for race in self.races)

    @property
    def sooner(self) -> int:
        """Races in which it got there with fewer updates."""
        return sum(r.step is not None and r.step < r.baseline_step for r in self.races)

    @property
    def speedup(self) -> tuple[float, float]:
        """Median over races, from and to: equal unless a censored race is in the middle."""
        lows, highs = zip(*(race.speedup for race in self.races), strict=True)
        return median(lows), median(highs)

    def share(self, steps: Sequence[int]) -> list[float]:
        """Share of races won after so many updates: all are censored alike, so no estimate."""
        times = [race.step for race in self.races if race.step is not None]
        return [sum(time <= step for time in times) / len(self.races) for step in steps]


def paces(looks: Iterable[Looks], baseline: str = "PT") -> list[Pace]:
    """Every method's races in every setting, in the order of their first looks.

    Cells that the baseline lacks, and those on which its best dev score is not above zero, so that
    there is nothing to reach, are no races.
    """
    cells: dict[tuple[str, str], list[Looks]] = {}
    for one in looks:
        cells.setdefault((one.setting, one.method), []).append(one)
    found = []
    for (setting, method), own in cells.items():
        theirs = {(one.task, one.seed): one for one in cells.get((setting, baseline), ())}
        rivals = ((theirs.get((one.task, one.seed)), one) for one in own)
        races = [_race(rival, one) for rival, one in rivals if rival is not None]
        if method != baseline and (fair := tuple(race for race in races if race.goal > 0)):
            found.append(Pace(setting=setting, method=method, baseline=baseline, races=fair))
    return found


def own_pace(looks: Iterable[Looks], setting: str, baseline: str = "PT") -> Pace:
    """The baseline against itself: how soon it has its own best."""
    own = [one for one in looks if (one.setting, one.method) == (setting, baseline)]
    races = tuple(race for race in (_race(one, one) for one in own) if race.goal > 0)
    return Pace(setting=setting, method=baseline, baseline=baseline, races=races)


def _race(theirs: Looks, own: Looks) -> Race:
    goal = max(theirs.devs)
    step = theirs.reached(goal)
    assert step is not None
    return Race(
        task=own.task,
        seed=own.seed,
        goal=goal,
        baseline_step=step,
        step=own.reached(goal),
        budget=own.steps[-1],
    )
