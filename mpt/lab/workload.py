"""List what a command would run: every unit by digest, and which the ledger has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mpt.config import RunConfig
from mpt.lab.campaign import Campaign
from mpt.lab.plan import VALIDATION, Plan
from mpt.lab.promote import prepare
from mpt.lab.recorded import Recorded
from mpt.lab.run import BASELINE, Case, Cell, Judged, Judging, Lab, PackSize
from mpt.search.trial import Trial
from mpt.seeding import stream
from mpt.store.ledger import Ledger
from mpt.store.row_checks import expect_sound
from mpt.store.unit import Unit
from mpt.study.samplers import SAMPLERS
from mpt.study.space import Interval
from mpt.study.study import Study

Config = RunConfig | Cell


@dataclass(frozen=True)
class Row:
    """Hold the units of one method in one part: a setting, the validation tasks or a re-test."""

    part: str
    method: str
    configs: tuple[Config, ...]

    @cached_property
    def learned(self) -> int:
        """Count the meta-trainings among them."""
        return sum(isinstance(config, RunConfig) for config in self.configs)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Return the downstream cells among them."""
        return tuple(config for config in self.configs if not isinstance(config, RunConfig))


@dataclass(frozen=True)
class Workload:
    """Hold rows of work; a unit in several rows is computed once.

    Attributes:
        held: digests of the units whose results the ledger has.
        about: the assumptions made, a sentence each.
    """

    study: Study
    rows: tuple[Row, ...]
    held: frozenset[str]
    about: tuple[str, ...] = ()

    @cached_property
    def units(self) -> dict[str, Config]:
        """Return every unit once, by digest."""
        return {config.digest: config for row in self.rows for config in row.configs}

    @cached_property
    def left(self) -> list[Config]:
        """Return the units to compute."""
        return [config for digest, config in self.units.items() if digest not in self.held]


def campaign_work(
    study: Study, trials: Sequence[Trial], lab: Lab, which: str, top: int
) -> Workload:
    """List what ``promote`` would run, including re-tests; see ``prepare`` for the arguments.

    If a re-test has not run yet, the sweep's best trial is assumed to win it.
    """
    listing = _Listing(lab.worker, lab.ledger)
    wanted, retests = prepare(study, trials, listing, which, top)
    rows = listing.rows
    about = [f"{entrant.method}: {entrant.origin}" for entrant in wanted.entrants]
    if len(retests) < sum(row.method == BASELINE for row in rows):
        about.append("the re-test has not run yet: the sweep's best trial is assumed to win it")
    rows += campaign_rows(wanted, lab)
    return _workload(study, rows, lab.ledger, about)


def campaign_rows(wanted: Campaign, lab: Lab) -> list[Row]:
    """List a row for every setting and method of a campaign, the baselines first."""
    judging, rows = wanted.judging, []
    for setting in wanted.settings:
        own = [case for case in wanted.baselines if case.setting == setting.name]
        rows += [Row(setting.name, c.method, tuple(lab.cells(c, judging))) for c in own]
        for entrant in wanted.entrants:
            configs: list[Config] = []
            for share in wanted.shares:
                if (share.setting, share.entrant) == (setting, entrant):
                    configs += [share.config, *lab.cells(share.case, judging)]
            rows.append(Row(setting.name, entrant.method, tuple(configs)))
    return rows


def sweep_work(concrete: Plan, trials: Sequence[Trial], lab: Lab) -> Workload:
    """List what ``sweep`` would run, with random hyper-parameters for trials not yet sampled.

    A trial that diverges or is pruned runs fewer units.
    """
    study = concrete.study
    params_by_number: dict[int, Mapping[str, float]] = {
        trial.number: trial.params for trial in trials
    }
    configs: list[Config] = []
    for number in range(max(study.total, len(trials))):
        config = concrete.config(params_by_number.get(number) or _stand_in(study, number))
        case = Case(VALIDATION, study.method, config.digest, concrete.tasks)
        configs += [config, *lab.cells(case, concrete.judging)]
    plain = lab.cells(concrete.baseline, concrete.judging)
    rows = [Row(VALIDATION, BASELINE, tuple(plain)), Row(VALIDATION, study.method, tuple(configs))]
    return _workload(study, rows, lab.ledger, [])


@dataclass
class _Listing(Recorded):
    """Look up the requested units, and collect them as rows."""

    rows: list[Row] = field(default_factory=list)

    def learn(self, configs: Sequence[RunConfig], title: str, pack: int) -> dict[str, Unit]:
        """Look up meta-trainings, and add them as a row; see ``Lab.learn``."""
        self.rows.append(Row(title, "trials", tuple(configs)))
        return self._settle(configs)

    def judge(
        self, cases: Sequence[Case], judging: Judging, *, title: str, pack: PackSize
    ) -> list[Judged]:
        """Look up cells, and add them as rows; see ``Lab.judge``."""
        for method in ("PT", "trials"):
            own = [case for case in cases if (case.method == BASELINE) == (method == "PT")]
            configs = [cell for case in own for cell in self.cells(case, judging)]
            self.rows.append(Row(title, method, tuple(configs)))
        return super().judge(cases, judging, title=title, pack=pack)


def _workload(study: Study, rows: Sequence[Row], ledger: Ledger, about: Sequence[str]) -> Workload:
    digests = [config.digest for row in rows for config in row.configs]
    recorded = ledger.get_many(digests)
    expect_sound(recorded.values())
    done = frozenset(digest for digest, unit in recorded.items() if unit.state != "failed")
    return Workload(study, tuple(rows), done, tuple(about))


def _stand_in(study: Study, number: int) -> dict[str, float]:
    """Return random hyper-parameters for trial ``number``, or the actual ones of a grid."""
    if SAMPLERS[study.sampler].exhausts:
        return dict(study.grid[number])
    rng, params = stream("stand-in", study.seed, number), {}
    for name, choice in study.space.dimensions(study.method).items():
        if isinstance(choice, Interval):
            params[name] = float(choice.low * (choice.high / choice.low) ** rng.random())
        else:
            params[name] = choice[int(rng.integers(len(choice)))]
    return params
