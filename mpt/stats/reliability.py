"""How much of a search's ranking is due to its trials, and how much to data seeds and rounding.

``y[t, k, s]`` is the gain of trial t on validation task k under data seed s. With the effect of the
cell (k, s), which all trials share, taken out,

    y[t, k, s] = trial[t] + task_by_trial[t, k] + residual[t, k, s],

where the residual holds the few-shot split and the rounding of floating-point sums, which training
amplifies. A search ranks trials by their mean over tasks and seeds. Its *reliability* is the share
of the variance between these means that is due to the trials: also the expected correlation between
the means of two such searches over the same trials (Shavelson and Webb 1991, *Generalizability
Theory*). Two questions have two reliabilities:

* *Would the ranking of these trials repeat on other data seeds of the same tasks?* Tasks are fixed,
  so that ``task_by_trial`` belongs to the trials: ``over_seeds``. This is what a search reports.
* *Would it repeat on other tasks of this kind?* Tasks are a sample, so that ``task_by_trial`` is
  noise too: ``over_tasks``. With five tasks it is a rough guess.

Variances are the unbiased estimates of an analysis of variance, with a noise of its own for every
task. Their ratio, truncated at 0, is too low on average with few trials: by 0.1 for eight of them
and a reliability of 0.6 (tests/stats/test_reliability.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan

import numpy as np

from mpt.stats.gain_table import Array, GainTable
from mpt.stats.intervals import LEVEL, UNKNOWN, Interval
from mpt.stats.separation import Contrasts, further_seeds, not_separated, ranking, residual

CEILING = 0.95
"""Where the baseline's mean test score is at least this, an initial prompt has no room to help."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of variance from 0 to 1 with its 95 % interval.

    Attributes:
        value: NaN if it cannot be estimated.
        why: why it cannot, or why it has no interval.
    """

    value: float
    interval: Interval = UNKNOWN
    why: str = ""


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of a single cell, in squared points of ARG; none is below zero.

    Attributes:
        trials: between trials, over all tasks of the kind.
        tasks: task x trial: how much more a trial gains on one task than on another.
        residual: data seeds and rounding together; NaN with a single data seed, when it is in
            ``tasks``.
        rounding: of one computation; NaN unless cells were computed several times.
        seeds: the residual without rounding, where that is known.
    """

    trials: float
    tasks: float
    residual: float
    rounding: float = nan
    seeds: float = nan


@dataclass(frozen=True, slots=True)
class FlatTask:
    """A validation task that tells a search nothing.

    Attributes:
        level: the baseline's mean test score; NaN if it is not known.
        is_full: whether that leaves no room; else the trials do not differ beyond the noise of data
            seeds.
    """

    task: str
    level: float
    is_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What a search knows of its own ranking.

    Attributes:
        over_seeds: would it repeat with other data seeds of the same tasks?
        over_tasks: would it repeat with other tasks of this kind?
        components: None if nothing can be compared.
        trials: by mean gain, the best first.
        seeds: data seeds of the table.
        not_separated: trials that do not differ significantly from the best, by mean gain.
        further_seeds: additional data seeds that would separate the first of these, see
            ``mpt.stats.separation.further_seeds``; None if there is no such number.
        flat: tasks that tell the search nothing.
        left_out: why a trial is not in the table.
        zero_baseline: tasks that are not, as the baseline does not score above zero there.
    """

    over_seeds: Share
    over_tasks: Share
    components: Components | None = None
    trials: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    not_separated: tuple[str, ...] = ()
    further_seeds: int | None = None
    flat: tuple[FlatTask, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    zero_baseline: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """Return the reliability over data seeds, NaN if it cannot be estimated."""
        return self.over_seeds.value


def reliability(table: GainTable) -> Reliability:
    """Estimate the reliability of a search from its crossed table; see the top of this file."""
    left_out, zero = table.left_out, table.zero_baseline
    if table.is_empty:
        count = len(table.trials)
        why = f"{'only one' if count else 'no'} trial has a score on every cell"
        why = why if table.cells else "no cell has a gain"
        unknown = Share(nan, why=why)
        return Reliability(
            over_seeds=unknown, over_tasks=unknown, left_out=left_out, zero_baseline=zero
        )
    has_noise = min(block.shape[1] for block in table.blocks) > 1
    contrasts = Contrasts(table) if has_noise else None
    best, *others = ranking(table)
    unclear = not_separated(contrasts) if contrasts else others
    needed = further_seeds(contrasts, best, unclear[0]) if contrasts and unclear else None
    names = table.trials
    over_seeds = _over_seeds(table, contrasts)
    return Reliability(
        over_seeds=over_seeds,
        over_tasks=_over_tasks(table, contrasts, over_seeds),
        components=_components(table, contrasts),
        trials=tuple(names[row] for row in (best, *others)),
        tasks=table.tasks,
        seeds=table.seeds,
        not_separated=tuple(names[row] for row in unclear),
        further_seeds=needed,
        flat=_flat(table),
        left_out=left_out,
        zero_baseline=zero,
    )


def _between(table: GainTable) -> float:
    """Return the variance between the trials' mean gains."""
    return float(table.means.var(ddof=1))


def _interaction(table: GainTable) -> float:
    """Return the mean square of trial x task, of means over seeds."""
    return residual(table.by_task) if len(table.tasks) > 1 else nan


def _over_seeds(table: GainTable, contrasts: Contrasts | None) -> Share:
    if contrasts is None:
        return Share(nan, why="the noise of data seeds cannot be estimated from a single one")
    noise = float(contrasts.noise.sum()) / len(table.tasks) ** 2
    return _share(_between(table), noise, len(table.trials), _pooled_freedom(table, contrasts))


def _pooled_freedom(table: GainTable, contrasts: Contrasts) -> float:
    """Return the degrees of freedom of the noise, to which every trial contributes."""
    return contrasts.freedom * (len(table.trials) - 1)


def _within(contrasts: Contrasts | None) -> float:
    """Return what seeds and rounding contribute to the mean square of trial x task."""
    return float(contrasts.noise.mean()) if contrasts else 0.0


def _over_tasks(table: GainTable, contrasts: Contrasts | None, over_seeds: Share) -> Share:
    """Return the reliability over tasks, which is at most that over seeds.

    Where trials differ less between tasks than by seeds alone, task x trial is estimated as zero.
    """
    trials, tasks = len(table.trials), len(table.tasks)
    if tasks < 2:
        return Share(nan, why="the variation between tasks cannot be estimated from a single one")
    if contrasts and _interaction(table) <= _within(contrasts):
        return over_seeds
    freedom = (trials - 1.0) * (tasks - 1)
    return _share(_between(table), _interaction(table) / tasks, trials, freedom)


def _share(between: float, noise: float, trials: int, freedom: float) -> Share:
    """Return 1 - noise / between, truncated at 0.

    The interval takes these trials as fixed: (T - 1) between / noise is then a non-central F times
    T - 1, whose parameter is (T - 1) share / (1 - share).
    """
    if between <= 0:
        return Share(0.0, why="all trials have the same gain")
    if noise <= 0:
        return Share(1.0, why="nothing but the trial changes a gain, so there is no interval")
    ratio, tails = between / noise, ((1 + LEVEL) / 2, (1 - LEVEL) / 2)
    low, high = (_parameter(ratio, trials - 1, freedom, tail) / (trials - 1) for tail in tails)
    interval = Interval(low / (1 + low), high / (1 + high))
    return Share(max(0.0, 1 - 1 / ratio), interval)


def _parameter(ratio: float, first: int, second: float, tail: float) -> float:
    """Return the parameter of a non-central F that is below ``ratio`` with this probability."""
    from scipy.optimize import brentq
    from scipy.special import ncfdtr

    def excess(parameter: float) -> float:
        return float(ncfdtr(first, second, parameter, ratio)) - tail

    if excess(0.0) <= 0:
        return 0.0
    high = first * ratio + 10.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high))


def _components(table: GainTable, contrasts: Contrasts | None) -> Components:
    within, tasks, interaction = _within(contrasts), len(table.tasks), _interaction(table)
    single = float(np.mean([residual(block) for block in table.blocks])) if contrasts else nan
    between = _between(table) - (max(interaction, within) if tasks > 1 else within) / tasks
    rounding, share = table.rounding or (nan, nan)
    return Components(
        trials=max(0.0, between),
        tasks=max(0.0, interaction - within) if tasks > 1 else nan,
        residual=single,
        rounding=rounding,
        seeds=max(0.0, single - share * rounding) if contrasts and table.rounding else nan,
    )


def _flat(table: GainTable) -> tuple[FlatTask, ...]:
    """Return the tasks at the ceiling, and those where trials differ no more than by noise."""
    flat: list[FlatTask] = []
    for task, block in zip(table.tasks, table.blocks, strict=True):
        level = table.levels.get(task, nan)
        if level >= CEILING:
            flat.append(FlatTask(task, level, is_full=True))
        elif not _differs(block.mean(axis=1), block):
            flat.append(FlatTask(task, level, is_full=False))
    return tuple(flat)


def _differs(means: Array, block: Array) -> bool:
    """Tell whether the trials differ on a task by an F test at 95 %; True if it cannot be made."""
    from scipy.special import fdtrc

    trials, seeds = block.shape
    if not float(np.ptp(means)):
        return False
    if seeds < 2 or not (noise := residual(block) / seeds):
        return True
    freedom = (trials - 1) * (seeds - 1)
    return float(fdtrc(trials - 1, freedom, float(means.var(ddof=1)) / noise)) < 1 - LEVEL
