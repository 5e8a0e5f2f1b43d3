"""A study with its trials: what a sweep returns, and what ``load_study`` finds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING

from mpt.errors import InputError, StoreError
from mpt.report.views import best_trial
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.search.trial import Trial
from mpt.stats.intervals import Interval
from mpt.store.home import Home
from mpt.store.ledger import open_ledger
from mpt.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from mpt.api.values.plot import Plot
    from mpt.lab.race import Race
    from mpt.stats.reliability import Reliability


@dataclass(frozen=True, slots=True)
class Best:
    """The trial with the highest validation ARG.

    Attributes:
        trial: its number, from 0 as in Optuna.
        params: hyper-parameters by name.
        arg: in percent, with its 95 % interval from ``low`` to ``high``.
        digest: of its meta-training, as ``load_prompt`` takes it.
    """

    trial: int
    params: Mapping[str, float]
    arg: float
    low: float | None
    high: float | None
    digest: str

    @property
    def interval(self) -> Interval:
        """From ``low`` to ``high``; unknown where it has none."""
        ends = (nan if end is None else end for end in (self.low, self.high))
        return Interval(*ends)


@dataclass(frozen=True)
class Searched:
    """A study and its trials.

    Attributes:
        study: what is searched.
        records: every trial as the store of studies holds it, by number.
        home: where the stores lie.
    """

    study: Study
    records: tuple[Trial, ...]
    home: Home

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A trial a row: parameters, ``arg`` in percent, its interval, digest and state."""
        from mpt.api.values.frames import trials_frame

        return trials_frame(self.records)

    @property
    def best_record(self) -> Trial | None:
        """The record of ``best``."""
        winner = self.race.winner if self.race else None
        won = (trial for trial in self.records if trial.number == winner)
        return next(won, best_trial(self.records))

    @property
    def best(self) -> Best | None:
        """The trial that won a race (``until_separated``), else the one with the highest ARG.

        None where no trial has an ARG.
        """
        best = self.best_record
        if best is None or best.arg is None:
            return None
        params = dict(best.params)
        return Best(best.number, params, best.arg, best.low, best.high, best.digest)

    @cached_property
    def reliability(self) -> Reliability | None:
        """How far the ranking of the trials can be relied on, ``.value`` from 0 to 1.

        None before two trials have completed, or where there is no ledger that can be read.
        """
        from mpt.lab.search_noise import search_reliability

        with suppress(InputError, StoreError), open_ledger(self.home) as ledger:
            return search_reliability(Search.load(self.home, self.study.title), ledger)
        return None

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A validation cell of a completed trial a row: its relative ``gain`` in percent.

        Raises:
            InputError: there is no ledger.
        """
        from mpt.api.values.frames import gain_frame
        from mpt.lab.search_noise import validation_table

        with open_ledger(self.home) as ledger:
            table = validation_table(Search.load(self.home, self.study.title), ledger)
        return gain_frame(table)

    @cached_property
    def race(self) -> Race | None:
        """The last race between these trials (``until_separated``), ``.winner`` its best trial."""
        from mpt.lab.race import recorded_race

        with suppress(InputError, StoreError), open_ledger(self.home) as ledger:
            return recorded_race(self.study.title, self.records, ledger)
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What can be said of the trials, a sentence each: whether the best one is known to gain,
        how reliable the ranking is, who is ahead."""
        from mpt.report.search_words import gain_lines, search_lines

        count = sum(trial.arg is not None for trial in self.records)
        gain = gain_lines(self.best.trial, self.best.interval, count) if self.best else ()
        return (*gain, *search_lines(self.reliability, self.race))

    @property
    def left(self) -> int:
        """Trials of the study's total that are still to be run; the same call runs them."""
        over = sum(trial.is_over and trial.state != "failed" for trial in self.records)
        return max(0, self.study.total - over)

    @property
    def lost(self) -> int:
        """Trials that failed and were not tried again."""
        tried = [trial.params for trial in self.records if trial.state != "failed"]
        return sum(t.state == "failed" and t.params not in tried for t in self.records)

    @property
    def is_latest(self) -> bool:
        """Whether it is the study that was begun last, which ``promote`` takes by default."""
        return study_names(self.home)[0] == self.study.title

    @property
    def runs(self) -> str:
        """What shows the runs in MLflow: the study's page on a server, or a command."""
        from mpt.tracking.links import study_page

        return study_page(self.home, self.study.title)

    def plot(self) -> Plot:
        """Draw every trial's ARG with its interval, the best one marked."""
        from mpt.api.values.plot import Plot
        from mpt.report.figures.trials import trials_figure

        best = self.best_record
        return Plot(trials_figure(self.records, best.number if best else None))


def load_study(name: str | None = None) -> Searched:
    """Load a study that was begun before, with its trials; by default the one begun last.

    Raises:
        UnknownName: no such study; near misses are named.
        InputError: no study was begun here yet.

    Example::

        mpt.load_study("mini-reptile").best
    """
    home = Home.find()
    search = found_search(name)
    return Searched(search.study, tuple(search.trials), home)


def found_search(which: Searched | str | None) -> Search:
    """Find a study in the store, by its name or as it was loaded; by default the one begun last.

    Raises:
        UnknownName: no such study.
        InputError: no study was begun here yet.
    """
    home = Home.find()
    if which is None:
        return Search.latest(home)
    return Search.load(home, which if isinstance(which, str) else which.study.title)
