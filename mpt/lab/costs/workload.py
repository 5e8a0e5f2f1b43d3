"""List what a command would run: every unit by digest, and which the ledger has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mpt.config import RunConfig
from mpt.lab.campaign import Campaign
from mpt.lab.plan import VALIDATION, SweepPlan
from mpt.lab.promote import prepare
from mpt.lab.recorded import Recorded
from mpt.lab.run import BASELINE, Cell, EvalProtocol, EvalTarget, EvaluatedCell, Lab, PackSize
from mpt.search.trial import Trial
from mpt.seeding import stream
from mpt.store.ledger import Ledger
from mpt.store.row_checks import expect_sound
from mpt.store.unit import Unit
from mpt.study.samplers import SAMPLERS
from mpt.study.space import LogRange
from mpt.study.study import Study

Config = RunConfig | Cell


@dataclass(frozen=True)
class WorkloadRow:
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
    rows: tuple[WorkloadRow, ...]
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
    about = [
        f"{method_config.method}: {method_config.origin}" for method_config in wanted.method_configs
    ]
    if len(retests) < sum(row.method == BASELINE for row in rows):
        about.append("the re-test has not run yet: the sweep's best trial is assumed to win it")
    rows += campaign_rows(wanted, lab)
    return workload_of(study, rows, lab.ledger, about)


def campaign_rows(wanted: Campaign, lab: Lab) -> list[WorkloadRow]:
    """List a row for every setting and method of a campaign, the baselines first."""
    eval_protocol, rows = wanted.eval_protocol, []
    for setting in wanted.settings:
        own = [
            eval_target for eval_target in wanted.baselines if eval_target.setting == setting.name
        ]
        rows += [
            WorkloadRow(setting.name, c.method, tuple(lab.cells(c, eval_protocol))) for c in own
        ]
        for method_config in wanted.method_configs:
            configs: list[Config] = []
            for meta_run in wanted.meta_runs:
                if (meta_run.setting, meta_run.method_config) == (setting, method_config):
                    configs += [meta_run.config, *lab.cells(meta_run.eval_target, eval_protocol)]
            rows.append(WorkloadRow(setting.name, method_config.method, tuple(configs)))
    return rows


def sweep_work(concrete: SweepPlan, trials: Sequence[Trial], lab: Lab) -> Workload:
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
        eval_target = EvalTarget(VALIDATION, study.method, config.digest, concrete.tasks)
        configs += [config, *lab.cells(eval_target, concrete.eval_protocol)]
    plain = lab.cells(concrete.baseline, concrete.eval_protocol)
    rows = [
        WorkloadRow(VALIDATION, BASELINE, tuple(plain)),
        WorkloadRow(VALIDATION, study.method, tuple(configs)),
    ]
    return workload_of(study, rows, lab.ledger, [])


@dataclass
class _Listing(Recorded):
    """Look up the requested units, and collect them as rows."""

    rows: list[WorkloadRow] = field(default_factory=list)

    def learn(self, configs: Sequence[RunConfig], title: str, pack: PackSize) -> dict[str, Unit]:
        """Look up meta-trainings, and add them as a row; see ``Lab.learn``."""
        self.rows.append(WorkloadRow(title, "trials", tuple(configs)))
        return self._run_missing(configs)

    def evaluate_cells(
        self,
        eval_targets: Sequence[EvalTarget],
        eval_protocol: EvalProtocol,
        *,
        title: str,
        pack: PackSize,
    ) -> list[EvaluatedCell]:
        """Look up cells, and add them as rows; see ``Lab.evaluate_cells``."""
        for method in ("PT", "trials"):
            own = [
                eval_target
                for eval_target in eval_targets
                if (eval_target.method == BASELINE) == (method == "PT")
            ]
            configs = [
                cell for eval_target in own for cell in self.cells(eval_target, eval_protocol)
            ]
            self.rows.append(WorkloadRow(title, method, tuple(configs)))
        return super().evaluate_cells(eval_targets, eval_protocol, title=title, pack=pack)


def workload_of(
    study: Study, rows: Sequence[WorkloadRow], ledger: Ledger, about: Sequence[str]
) -> Workload:
    """Return rows of work with the units among them that the ledger has."""
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
        if isinstance(choice, LogRange):
            params[name] = float(choice.low * (choice.high / choice.low) ** rng.random())
        else:
            params[name] = choice[int(rng.integers(len(choice)))]
    return params
