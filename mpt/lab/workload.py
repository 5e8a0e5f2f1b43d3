"""What a command would run: every unit by its digest, and what the ledger holds of them."""

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
    """Units of one method in one part of the work: a setting, the validation tasks, a re-test."""

    part: str
    method: str
    configs: tuple[Config, ...]

    @cached_property
    def learned(self) -> int:
        """Meta-trainings among them."""
        return sum(isinstance(config, RunConfig) for config in self.configs)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Downstream cells among them."""
        return tuple(config for config in self.configs if not isinstance(config, RunConfig))


@dataclass(frozen=True)
class Workload:
    """Rows of work; a unit that stands in several rows is computed once.

    Attributes:
        held: digests that the ledger has the results of.
        about: what was assumed, a sentence each.
    """

    study: Study
    rows: tuple[Row, ...]
    held: frozenset[str]
    about: tuple[str, ...] = ()

    @cached_property
    def units(self) -> dict[str, Config]:
        """Every unit once, by its digest."""
        return {config.digest: config for row in self.rows for config in row.configs}

    @cached_property
    def left(self) -> list[Config]:
        """The units to be computed."""
        return [config for digest, config in self.units.items() if digest not in self.held]


def campaign_work(
    study: Study, trials: Sequence[Trial], lab: Lab, which: str, top: int
) -> Workload:
    """What ``promote`` would run, re-tests included; see ``prepare`` for the arguments.

    Where a re-test is still to be run, the sweep's best trial stands for its winner.
    """
    listing = _Listing(lab.worker, lab.ledger)
    wanted, retests = prepare(study, trials, listing, which, top)
    rows = listing.rows
    about = [f"{entrant.method}: {entrant.origin}" for entrant in wanted.entrants]
    if len(retests) < sum(row.method == BASELINE for row in rows):
        about.append("the re-test is still to be run: the sweep's best trial stands for its winner")
    rows += campaign_rows(wanted, lab)
    return _workload(study, rows, lab.ledger, about)


def campaign_rows(wanted: Campaign, lab: Lab) -> list[Row]:
    """A row for every setting and method of a campaign, the baselines first."""
    judging, found = wanted.judging, []
    for setting in wanted.settings:
        own = [case for case in wanted.baselines if case.setting == setting.name]
        found += [Row(setting.name, c.method, tuple(lab.cells(c, judging))) for c in own]
        for entrant in wanted.entrants:
            configs: list[Config] = []
            for share in wanted.shares:
                if (share.setting, share.entrant) == (setting, entrant):
                    configs += [share.config, *lab.cells(share.case, judging)]
            found.append(Row(setting.name, entrant.method, tuple(configs)))
    return found


def sweep_work(concrete: Plan, trials: Sequence[Trial], lab: Lab) -> Workload:
    """What ``sweep`` would run; points drawn at random stand for trials that are not asked yet.

    A trial that diverges or is pruned runs fewer units.
    """
    study = concrete.study
    known: dict[int, Mapping[str, float]] = {trial.number: trial.params for trial in trials}
    configs: list[Config] = []
    for number in range(max(study.total, len(trials))):
        config = concrete.config(known.get(number) or _stand_in(study, number))
        case = Case(VALIDATION, study.method, config.digest, concrete.tasks)
        configs += [config, *lab.cells(case, concrete.judging)]
    plain = lab.cells(concrete.baseline, concrete.judging)
    rows = [Row(VALIDATION, BASELINE, tuple(plain)), Row(VALIDATION, study.method, tuple(configs))]
    return _workload(study, rows, lab.ledger, [])


@dataclass
class _Listing(Recorded):
    """Looks up what it is asked for, and remembers it as rows."""

    rows: list[Row] = field(default_factory=list)

    def learn(self, configs: Sequence[RunConfig], title: str, pack: int) -> dict[str, Unit]:
        """See ``Lab.learn``."""
        self.rows.append(Row(title, "trials", tuple(configs)))
        return self._settle(configs)

    def judge(
        self, cases: Sequence[Case], judging: Judging, *, title: str, pack: PackSize
    ) -> list[Judged]:
        """See ``Lab.judge``."""
        for method in ("PT", "trials"):
            own = [case for case in cases if (case.method == BASELINE) == (method == "PT")]
            configs = [cell for case in own for cell in self.cells(case, judging)]
            self.rows.append(Row(title, method, tuple(configs)))
        return super().judge(cases, judging, title=title, pack=pack)


def _workload(study: Study, rows: Sequence[Row], ledger: Ledger, about: Sequence[str]) -> Workload:
    digests = [config.digest for row in rows for config in row.configs]
    held = ledger.get_many(digests)
    expect_sound(held.values())
    done = frozenset(digest for digest, unit in held.items() if unit.state != "failed")
    return Workload(study, tuple(rows), done, tuple(about))


def _stand_in(study: Study, number: int) -> dict[str, float]:
    """Parameters as trial ``number`` may have them; those of a grid are known."""
    if SAMPLERS[study.sampler].exhausts:
        return dict(study.grid[number])
    rng, found = stream("stand-in", study.seed, number), {}
    for name, choice in study.space.dimensions(study.method).items():
        if isinstance(choice, Interval):
            found[name] = float(choice.low * (choice.high / choice.low) ** rng.random())
        else:
            found[name] = choice[int(rng.integers(len(choice)))]
    return found
