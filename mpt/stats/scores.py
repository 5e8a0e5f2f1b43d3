"""Downstream scores, and the average relative gain (ARG) computed from them.

ARG = 100 * mean over targets t of (M_t - B_t) / B_t, where M_t and B_t are a method's and the
baseline's mean test score over seeds, each seed at the learning rate with the best dev score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from statistics import fmean
from typing import Literal

from mpt.errors import ResultsError, UnknownName
from mpt.seeding import stream
from mpt.stats.intervals import (
    RESAMPLES,
    Interval,
    Target,
    over_seeds,
    over_tasks_and_seeds,
    over_trainings_too,
)

Gaps = Literal["error", "report"]
"""What to do about a target without a relative gain: raise an error, or leave it out and report."""


@dataclass(frozen=True, slots=True)
class Score:
    """One downstream cell: a method on a target task, under a data seed and learning rate.

    Attributes:
        dev: best dev score in training; selects the learning rate.
        test: test score of the selected prompt, at most 1.
        meta_seed: of the meta-training that the cell starts from, if there are several.

    Raises:
        ResultsError: a score that is not a finite number.
    """

    setting: str
    method: str
    task: str
    seed: int
    dev: float
    test: float
    lr: float | None = None
    meta_seed: int = 0

    def __post_init__(self) -> None:
        for part, value in (("dev", self.dev), ("test", self.test)):
            if not isfinite(value):
                raise ResultsError(
                    f"{self.setting}: {self.method} on {self.task}, seed {self.seed}, has a {part} "
                    f"score of {value}",
                    fix="leave a failed cell out instead of giving it a number",
                )


@dataclass(frozen=True, slots=True)
class Missing:
    """Seeds of a target that ``method`` lacks and the other compared method has."""

    method: str
    task: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A method's ARG in a setting. Gains and intervals are in percent; NaN means unknown.

    Attributes:
        interval: 95 % interval over tasks and seeds, for other tasks of this kind.
        seed_interval: 95 % interval over seeds, for the same tasks. Both intervals include the
            variation between meta-trainings if there are several.
        per_task: relative gain of every target in the ARG.
        tasks: every target of the setting.
        zero_baseline: targets left out because the baseline's mean is not above zero.
        missing: cells that only one side has; a target without any seed is not in the ARG.
        by_meta_seed: the ARG of each meta-training alone, if there are several; ``arg`` is computed
            from the means of their scores.
    """

    setting: str
    method: str
    baseline: str
    arg: float
    interval: Interval
    seed_interval: Interval
    per_task: Mapping[str, float]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    zero_baseline: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    by_meta_seed: Mapping[int, float] = field(default_factory=dict[int, float])

    @property
    def low(self) -> float:
        """Return the lower end of the interval over tasks and seeds."""
        return self.interval.low

    @property
    def high(self) -> float:
        """Return the upper end of the interval over tasks and seeds."""
        return self.interval.high

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return warnings about zero baselines and missing cells, one sentence each."""
        where, left_out = f"{self.setting}: ", f"{self.method}'s ARG leaves it out"
        zero = (f"{self.baseline} is not above zero on {task}" for task in self.zero_baseline)
        warnings = [f"{where}{fault}; {left_out}" for fault in zero]
        for gap in self.missing:
            if gap.task in self.per_task:
                lacks = f"{gap.method} on {gap.task} lacks seed {', '.join(map(str, gap.seeds))}"
                warnings.append(f"{where}{lacks}; its mean is over the others")
            elif gap.task not in self.zero_baseline:
                warnings.append(f"{where}{gap.method} has no score on {gap.task}; {left_out}")
        return tuple(warnings)


def best_dev(scores: Iterable[Score]) -> list[Score]:
    """Return one score per (setting, method, task, seed, meta-seed): the one with the highest dev.

    Ties go to the larger learning rate.
    """
    best: dict[tuple[str, str, str, int, int], Score] = {}
    for score in scores:
        key = (score.setting, score.method, score.task, score.seed, score.meta_seed)
        current = best.setdefault(key, score)
        if (score.dev, score.lr or 0.0) > (current.dev, current.lr or 0.0):
            best[key] = score
    return list(best.values())


def relative_gain(method_mean: float, baseline_mean: float) -> float:
    """Return (M - B) / B in percent. Raises ``ResultsError`` unless the baseline is above zero."""
    if not baseline_mean > 0:
        raise ResultsError(f"a relative gain needs a baseline above zero, not {baseline_mean:g}")
    return 100 * (method_mean - baseline_mean) / baseline_mean


def gains(
    scores: Iterable[Score],
    *,
    baseline: str = "PT",
    zero_baseline: Gaps = "error",
    missing_task: Gaps = "error",
    resamples: int = RESAMPLES,
) -> list[Gain]:
    """Compute the ARG of every method in every setting, in the order of their first scores.

    Args:
        scores: of all methods including the baseline, at any number of learning rates.
        baseline: name of the method that gains are relative to.
        zero_baseline: what to do about a target where the baseline's mean is not above zero.
        missing_task: what to do about a target that only the method or only the baseline has.
        resamples: number of bootstrap resamples.

    Raises:
        UnknownName: no score of the baseline.
        ResultsError: no scores; a setting without the baseline; a gap whose handling is ``error``.
    """
    chosen = best_dev(scores)
    means = by_seed(chosen)
    if not means:
        raise ResultsError(
            "there are no scores, so there is no ARG",
            fix="give at least one row",
        )
    methods = dict.fromkeys(method for cells in means.values() for method in cells)
    if baseline not in methods:
        raise UnknownName("method", baseline, methods, "Name the baseline with --baseline.")
    results: list[Gain] = []
    for setting, cells in means.items():
        if baseline not in cells:
            raise ResultsError(
                f"setting {setting!r} has no scores of the baseline {baseline!r} (it has "
                f"{', '.join(cells)})",
                fix="add them, or leave the setting out",
            )
        for method in cells:
            if method != baseline:
                pair = _Pair(setting, method, baseline, cells[method], cells[baseline])
                gain = _gain(pair, zero_baseline, missing_task, resamples)
                results.append(_over_trainings(gain, _by_meta_seed(gain, chosen, pair.below)))
    return results


def by_seed(chosen: Iterable[Score]) -> dict[str, dict[str, dict[str, dict[int, float]]]]:
    """Group the test scores of ``best_dev`` by setting, method, task and seed.

    Scores are means over meta-seeds.
    """
    table: dict[str, dict[str, dict[str, dict[int, list[float]]]]] = {}
    for score in chosen:
        tasks = table.setdefault(score.setting, {}).setdefault(score.method, {})
        tasks.setdefault(score.task, {}).setdefault(score.seed, []).append(score.test)
    return {
        setting: {
            method: {
                task: {seed: fmean(tests) for seed, tests in seeds.items()}
                for task, seeds in tasks.items()
            }
            for method, tasks in methods.items()
        }
        for setting, methods in table.items()
    }


def _over_trainings(gain: Gain, each: Mapping[int, float]) -> Gain:
    """Add the ARG of each meta-training, and widen the intervals by their variation."""
    values = tuple(each.values())
    return replace(
        gain,
        interval=over_trainings_too(gain.interval, gain.arg, values),
        seed_interval=over_trainings_too(gain.seed_interval, gain.arg, values),
        by_meta_seed=each,
    )


def _by_meta_seed(
    gain: Gain, chosen: Iterable[Score], below: Mapping[str, Mapping[int, float]]
) -> dict[int, float]:
    """Compute the ARG from the scores of each meta-seed alone; empty if there is only one."""
    tests: dict[int, dict[str, list[float]]] = {}
    for score in chosen:
        if (score.setting, score.method) == (gain.setting, gain.method):
            tasks = tests.setdefault(score.meta_seed, {})
            tasks.setdefault(score.task, []).append(score.test)
    if len(tests) < 2:
        return {}
    args: dict[int, float] = {}
    for meta_seed, tasks in tests.items():
        shared = [task for task in gain.per_task if task in tasks]
        relative = [relative_gain(fmean(tasks[t]), fmean(below[t].values())) for t in shared]
        args[meta_seed] = fmean(relative) if relative else nan
    return args


_Seeds = dict[int, float]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A method and the baseline in one setting: test scores by task and seed."""

    setting: str
    method: str
    baseline: str
    above: Mapping[str, _Seeds]
    below: Mapping[str, _Seeds]


def _gain(pair: _Pair, zero_baseline: Gaps, missing_task: Gaps, resamples: int) -> Gain:
    tasks = tuple(dict.fromkeys([*pair.below, *pair.above]))
    missing = _missing(pair, tasks)
    shared = [task for task in tasks if task in pair.above and task in pair.below]
    lost = [gap for gap in missing if gap.task not in shared]
    if missing_task == "error" and lost:
        raise _lost_error(pair, lost)
    zero = tuple(task for task in shared if fmean(pair.below[task].values()) <= 0)
    if zero_baseline == "error" and zero:
        raise ResultsError(
            f"setting {pair.setting!r}: the baseline {pair.baseline!r} scores 0 or less on "
            f"{', '.join(zero)}, and a relative gain divides by it",
            fix="leave the task out of the table",
        )
    targets = {t: _target(pair.above[t], pair.below[t]) for t in shared if t not in zero}
    per_task = {task: 100 * target.gain for task, target in targets.items()}
    # sorted, so that the interval does not depend on the order of the rows
    in_order = [targets[task] for task in sorted(targets)]
    rng = stream("ARG interval", pair.setting, pair.method)
    among = over_tasks_and_seeds(in_order, rng=rng, resamples=resamples)
    return Gain(
        setting=pair.setting,
        method=pair.method,
        baseline=pair.baseline,
        arg=fmean(per_task.values()) if per_task else nan,
        interval=among.percent,
        seed_interval=over_seeds(in_order).percent,
        per_task=per_task,
        tasks=tasks,
        seeds=tuple(sorted({seed for t in shared for seed in pair.above[t]})),
        zero_baseline=zero,
        missing=missing,
    )


def _target(above: _Seeds, below: _Seeds) -> Target:
    return Target(
        tuple(above[seed] for seed in sorted(above)),
        tuple(below[seed] for seed in sorted(below)),
        paired=above.keys() == below.keys(),
    )


def _missing(pair: _Pair, tasks: Iterable[str]) -> tuple[Missing, ...]:
    missing: list[Missing] = []
    for task in tasks:
        above, below = pair.above.get(task, {}), pair.below.get(task, {})
        for method, own, other in ((pair.method, above, below), (pair.baseline, below, above)):
            if lacking := tuple(sorted(other.keys() - own.keys())):
                missing.append(Missing(method, task, lacking))
    return tuple(missing)


def _lost_error(pair: _Pair, lost: Sequence[Missing]) -> ResultsError:
    who = lost[0].method
    other = pair.baseline if who == pair.method else pair.method
    tasks = ", ".join(gap.task for gap in lost if gap.method == who)
    return ResultsError(
        f"setting {pair.setting!r}: {who!r} has no scores on {tasks}, which {other!r} has",
        fix=(
            "an ARG "
            "compares the same tasks: add the missing rows, or take the task out for all methods"
        ),
    )
