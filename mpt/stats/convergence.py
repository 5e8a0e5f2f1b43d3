"""How soon tuning from a learned prompt reaches the best score of tuning from vocabulary rows.

The goal of a race is the best dev score of the baseline on a (task, seed); the time of a method is
its first evaluation on dev with at least that score. The baseline reaches its best by definition, a
method may not within the budget: such a race is censored, and only bounds the speed-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class DevCurve:
    """Dev scores of one downstream cell during tuning, at the learning rate selected for its seed.

    Attributes:
        steps: updates before each evaluation; the last one is the budget.
        devs: the score of each evaluation.
        meta_seed: as in ``Score``; each meta-training has races of its own.
    """

    setting: str
    method: str
    task: str
    seed: int
    steps: tuple[int, ...]
    devs: tuple[float, ...]
    meta_seed: int = 0

    def reached(self, goal: float) -> int | None:
        """Return the updates until the first evaluation with at least this score, or None."""
        return next((s for s, dev in zip(self.steps, self.devs, strict=True) if dev >= goal), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRace:
    """A method and the baseline on one (task, seed).

    Attributes:
        goal: the baseline's best dev score.
        baseline_step: updates until the baseline reached it.
        step: updates until the method reached it; None if ``budget`` updates were not enough.
    """

    task: str
    seed: int
    goal: float
    baseline_step: int
    step: int | None
    budget: int

    @property
    def speedup(self) -> tuple[float, float]:
        """Return bounds of the speed-up; they are equal if the method reached the goal."""
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
    races: tuple[DevRace, ...]

    @property
    def reached(self) -> int:
        """Count the races in which the method reached the baseline's best."""
        return sum(race.step is not None for race in self.races)

    @property
    def sooner(self) -> int:
        """Count the races in which it reached that with fewer updates."""
        return sum(r.step is not None and r.step < r.baseline_step for r in self.races)

    @property
    def speedup(self) -> tuple[float, float]:
        """Return bounds of the median speed-up: equal unless a censored race is in the middle."""
        lows, highs = zip(*(race.speedup for race in self.races), strict=True)
        return median(lows), median(highs)

    def share(self, steps: Sequence[int]) -> list[float]:
        """Compute the share of races that reached the goal within each number of updates.

        It is exact and needs no estimator, because all races have the same budget.
        """
        times = [race.step for race in self.races if race.step is not None]
        return [sum(time <= step for time in times) / len(self.races) for step in steps]


def paces(curves: Iterable[DevCurve], baseline: str = "PT") -> list[Pace]:
    """Return every method's races in every setting, in the order of their first curves.

    Cells that the baseline lacks are left out, and so are those on which its best dev score is not
    above zero, where there is nothing to reach.
    """
    by_method: dict[tuple[str, str], list[DevCurve]] = {}
    for curve in curves:
        by_method.setdefault((curve.setting, curve.method), []).append(curve)
    paces: list[Pace] = []
    for (setting, method), own in by_method.items():
        rivals = {
            (curve.task, curve.seed): curve for curve in by_method.get((setting, baseline), ())
        }
        pairs = ((rivals.get((curve.task, curve.seed)), curve) for curve in own)
        races = [_race(rival, curve) for rival, curve in pairs if rival is not None]
        if method != baseline and (valid := tuple(race for race in races if race.goal > 0)):
            paces.append(Pace(setting=setting, method=method, baseline=baseline, races=valid))
    return paces


def baseline_pace(curves: Iterable[DevCurve], setting: str, baseline: str = "PT") -> Pace:
    """Return the races of the baseline against itself: how soon it reaches its best."""
    own = [curve for curve in curves if (curve.setting, curve.method) == (setting, baseline)]
    races = tuple(race for race in (_race(curve, curve) for curve in own) if race.goal > 0)
    return Pace(setting=setting, method=baseline, baseline=baseline, races=races)


def _race(baseline: DevCurve, method: DevCurve) -> DevRace:
    goal = max(baseline.devs)
    step = baseline.reached(goal)
    assert step is not None
    return DevRace(
        task=method.task,
        seed=method.seed,
        goal=goal,
        baseline_step=step,
        step=method.reached(goal),
        budget=method.steps[-1],
    )
