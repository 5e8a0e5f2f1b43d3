"""Estimate how reliable a study's ranking is, from the validation cells in the ledger.

Nothing is computed and no row is read: a cell is recognised by its configuration.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpt.config import VOCABULARY, CellConfig, Tuning
from mpt.lab.plan import VALIDATION
from mpt.lab.run import BASELINE
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.stats.gain_table import GainTable, table_of
from mpt.stats.reliability import Reliability, reliability
from mpt.stats.scores import Score
from mpt.store.ledger import Ledger
from mpt.store.results import CellResult
from mpt.store.unit import Unit
from mpt.study.study import Study


def search_reliability(search: Search, ledger: Ledger) -> Reliability | None:
    """Estimate the reliability of a study in the store; None before two trials have completed."""
    if sum(trial.state == "complete" for trial in search.trials) < 2:
        return None
    return reliability(validation_table(search, ledger))


def validation_table(search: Search, ledger: Ledger) -> GainTable:
    """Return the gains of a study's completed trials on its validation tasks and data seeds.

    Trials are named by their numbers. The others, and those with the configuration of an earlier
    one, are left out with a reason. A damaged unit counts as none.
    """
    study, trials = search.study, search.trials
    entrants = distinct(trials)
    names = {trial.digest: name_of(trial) for trial in entrants}
    tasks = search.definition.get("tasks", ())
    units = [unit for unit in ledger.cells_from(names, tasks) if _is_validation(unit, study)]
    plain = ledger.get_many(_plain(unit).digest for unit in units)
    own = [s for unit in units if (s := _score(unit, names[_cell(unit).start]))]
    base = [s for unit in plain.values() if (s := _score(unit, BASELINE))]
    return table_of([*base, *own], left_out=_left_out(trials, entrants))


def distinct(trials: Sequence[Trial]) -> list[Trial]:
    """Return the completed trials, the first of those with equal configurations, by number."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.arg is not None]
    return list({trial.digest: trial for trial in reversed(complete)}.values())[::-1]


def name_of(trial: Trial) -> str:
    """Return a trial's name in a table: its number."""
    return str(trial.number)


def _left_out(trials: Sequence[Trial], entrants: Sequence[Trial]) -> dict[str, str]:
    reasons, first = {}, {trial.digest: trial for trial in entrants}
    for trial in trials:
        if trial in entrants or not trial.is_over:
            continue
        same = first.get(trial.digest) if trial.state == "complete" else None
        reasons[name_of(trial)] = f"the same as trial {name_of(same)}" if same else trial.state
    return reasons


def _is_validation(unit: Unit, study: Study) -> bool:
    """Tell whether a cell belongs to the study's validation and not, say, to a promotion."""
    cell, wanted = unit.config, study.validation
    return (
        isinstance(cell, CellConfig)
        and cell.data_seed in wanted.seeds
        and cell.lr in wanted.lrs
        and cell.shots == study.target_shots
        and _is_same_budget(cell.tuning, study.tuning)
    )


def _is_same_budget(cell: Tuning, study: Tuning) -> bool:
    """Compare the budget of a cell with a study's, which a task of few rows may cut short."""
    if study.epochs is None:
        return cell == study.for_rows(study.batch)
    counted = {"steps": study.steps, "num_evals": study.num_evals, "epochs": study.epochs}
    return cell.steps <= study.steps and cell.model_copy(update=counted) == study


def _cell(unit: Unit) -> CellConfig:
    assert isinstance(unit.config, CellConfig)
    return unit.config


def _plain(unit: Unit) -> CellConfig:
    """Return the same cell tuned from vocabulary rows."""
    return CellConfig(**{**_cell(unit).model_dump(), "start": VOCABULARY})


def _score(unit: Unit, method: str) -> Score | None:
    if not isinstance(unit.result, CellResult):
        return None
    cell = _cell(unit)
    place = (VALIDATION, method, cell.task, cell.data_seed)
    return Score(*place, unit.result.dev, unit.result.test, cell.lr)
