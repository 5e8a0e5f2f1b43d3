"""How long commands and the search take on stores that have grown: time, and memory of processes.

    python benchmarks/scale.py [--units 103544] [--trials 2000] [--studies 18]

Makes such a home in a temporary folder: a ledger of many units and studies of so many trials each,
by bulk inserts, and one small study that is really swept and promoted. Then runs commands as a user
starts them, five times each (`--times`): seconds, and the peak of resident memory. In this process
it times what a sweep does between two packs: the next ask and tell of a TPE study (a round of four,
and per trial), and looking up and recording a trial's cells. Prints JSON: medians, with the largest
beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import optuna
import sqlalchemy as sa
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)
from optuna.storages._rdb import models

from mpt.config import BackboneConfig, CellConfig, Tuning
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.seeding import entropy, stream
from mpt.store.home import Home
from mpt.store.ledger import Ledger, _row
from mpt.store.results import read_result
from mpt.store.tables import UNITS, insert
from mpt.store.unit import Unit
from mpt.study.study import Study
from mpt.study.study_file import make_study

ROOT = Path(__file__).resolve().parent.parent
CELLS = 10
TIMES = 5
"""Repetitions, and cells of a trial: five tasks, two data seeds."""
BULK = 500
"""Rows of one insert."""
TRIALS, VALUES, PARAMS, ATTRS = TABLES = [
    model.__table__
    for model in (
        models.TrialModel,
        models.TrialValueModel,
        models.TrialParamModel,
        models.TrialUserAttributeModel,
    )
]
DIMENSIONS = {
    "inner_lr": FloatDistribution(0.1, 10.0, log=True),
    "outer_lr": FloatDistribution(0.03, 0.5, log=True),
    "inner_steps": CategoricalDistribution((3, 5)),
    "outer_steps": CategoricalDistribution((40, 80)),
}
SMALL = """\
name: small
method: mtl
outer: {steps: 2}
space: {outer_lr: [0.1]}
tuning: {steps: 2, num_evals: 1}
validation: {seeds: [13, 21]}
final: {settings: [R->R], seeds: [13, 21], lrs: [0.5]}
sampler: grid
trials: 1
"""


def main() -> None:
    """Fill, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=103_544)
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--studies", type=int, default=18)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="mpt-scale-") as folder:
        home = Home.find({"MPT_HOME": folder}).open()
        studies = [big_study(number, given.trials) for number in range(given.studies)]
        small = Path(folder) / "small.yaml"
        small.write_text(SMALL, encoding="utf-8")
        found = {
            **vars(given),
            "sweep_and_promote": once(lambda: swept(home, small)),
            "fill_ledger": once(lambda: fill_ledger(home, given.units)),
            "fill_studies": once(lambda: [fill_study(home, study) for study in studies]),
            "commands": {
                name: used(home, words, given.times) for name, words in commands(small).items()
            },
            **search_times(home, studies[0]),
            **ledger_times(home, given.units),
        }
    print(json.dumps(found, indent=2))


def commands(small: Path) -> dict[str, tuple[str, ...]]:
    """What is typed at a home that has grown."""
    promote = ("promote", "best", "--study", "small")
    return {
        "help": ("--help",),
        "studies list": ("studies", "list"),
        "studies list --json": ("studies", "list", "--json"),
        "studies show": ("studies", "show", "big-0"),
        "show PREFIX": ("show", cell(7).digest[:8]),
        "show of no unit": ("show", "0123456789ab"),
        "doctor": ("doctor",),
        "sync of nothing": ("sync",),
        "report of a study": ("report", "--study", "big-0", "--out", str(small.with_name("r"))),
        "promote again": promote,
    }


def swept(home: Home, small: Path) -> None:
    """A study and its promotion, as they are left by their own commands."""
    mpt(home, "sweep", "--study", str(small))
    mpt(home, "promote", "best", "--study", "small")


def big_study(number: int, trials: int) -> Study:
    """A TPE study over the paper's four dimensions, open for more trials than are measured."""
    space = {
        "inner_lr": {"low": 0.1, "high": 10.0},
        "outer_lr": {"low": 0.03, "high": 0.5},
        "inner_steps": [3, 5],
        "outer_steps": [40, 80],
    }
    return make_study({"name": f"big-{number}", "space": space, "trials": trials + 100})


def cell(number: int) -> CellConfig:
    """A downstream cell of the embedded gym; each number is another unit."""
    return CellConfig(
        backbone=BackboneConfig(),
        weights="0123456789ab",
        task=f"task-{number % 5}",
        data_seed=(13, 21)[number % 2],
        data=f"{entropy('rows', number % 10):012x}"[:12],
        start=f"{entropy('start', number // CELLS):012x}"[:12],
        lr=0.3,
        tuning=Tuning(),
    )


def unit(config: CellConfig) -> Unit:
    """A record of the size that tuning leaves."""
    draws = stream("unit", config.digest)
    dev, test = draws.random(2)
    result = {
        "dev": dev,
        "test": test,
        "best_step": 20,
        "looks": [[step, dev] for step in (10, 20, 30, 40)],
        "curve": draws.random(40).tolist(),
    }
    return Unit(
        config.digest,
        "cell",
        config,
        "done",
        read_result("cell", "done", result),
        None,
        0.5,
        datetime.now(UTC),
    )


def fill_ledger(home: Home, units: int) -> None:
    """The rows that a sweep leaves, many to a transaction."""
    with Ledger(home.ledger_url) as ledger:
        for start in range(0, units, BULK):
            made = [unit(cell(number)) for number in range(start, min(start + BULK, units))]
            rows = [_row(one, 1) for one in made]
            ledger._database.do(lambda db, rows=rows: insert(db, UNITS, rows))


def fill_study(home: Home, study: Study) -> None:
    """Finished trials, one in ten diverged, as ``Search.tell`` leaves them, in bulk."""
    Search.begin(study, study.definition, home)
    storage = optuna.storages.RDBStorage(home.studies_url)
    owner = storage.get_study_id_from_name(study.title)
    now = datetime.now()
    with storage.engine.begin() as db:
        first = db.execute(sa.select(sa.func.coalesce(sa.func.max(TRIALS.c.trial_id), 0))).scalar()
        rows: dict[sa.Table, list[dict[str, object]]] = {table: [] for table in TABLES}
        for number in range(study.trials - 100):
            at = {"trial_id": (first or 0) + 1 + number}
            draws = stream("trial", study.title, number)
            arg, is_lost = float(draws.normal(5, 10)), number % 10 == 3
            state = "PRUNED" if is_lost else "COMPLETE"
            times = {"datetime_start": now, "datetime_complete": now}
            rows[TRIALS].append(
                {**at, "number": number, "study_id": owner, "state": state, **times}
            )
            attrs: dict[str, object] = {"digest": f"{entropy('start', number):012x}"[:12]}
            if is_lost:
                attrs |= {"end": "diverged", "reason": "the loss is not finite", "step": 9}
            else:
                attrs |= {"interval": [arg - 40, arg + 40]}
                finite = {"objective": 0, "value": arg, "value_type": "FINITE"}
                rows[VALUES].append({**at, **finite})
            rows[ATTRS] += [
                {**at, "key": key, "value_json": json.dumps(value)} for key, value in attrs.items()
            ]
            for name, distribution in DIMENSIONS.items():
                value = {
                    "param_name": name,
                    "param_value": float(draws.integers(2))
                    if "steps" in name
                    else 0.1 + 0.4 * draws.random(),
                    "distribution_json": distribution_to_json(distribution),
                }
                rows[PARAMS].append({**at, **value})
        for table, made in rows.items():
            db.execute(sa.insert(table), made)


def search_times(home: Home, study: Study) -> dict[str, object]:
    """A new driver's first ask, then round after round in one process."""
    begin = time.perf_counter()
    search = Search.begin(study, study.definition, home)
    opened = time.perf_counter() - begin
    asks, rounds = [], []
    for _ in range(1 + TIMES):
        begin = time.perf_counter()
        asked = search.ask(study)
        asks.append(time.perf_counter() - begin)
        for trial in asked:
            search.tell(trial, Trial(trial.number, {}, "complete", "d", 1.0, 0.0, 2.0))
        rounds.append(time.perf_counter() - begin)
    size = study.round
    return {
        "open_study": round(opened, 3),
        "first_ask_of_a_round": round(asks[0], 3),
        "ask_and_tell_a_round": spread(rounds[1:]),
        "ask_and_tell_per_trial": spread([seconds / size for seconds in rounds[1:]]),
    }


def ledger_times(home: Home, units: int) -> dict[str, object]:
    """What a trial asks of the ledger: its cells looked up, its cells recorded."""
    with Ledger(home.ledger_url) as ledger:
        held = [cell(number).digest for number in range(units - CELLS, units)]
        fresh = iter(range(units, units + CELLS * TIMES))
        look = timed(lambda: ledger.get_many(held))
        record = timed(lambda: [ledger.record(unit(cell(next(fresh)))) for _ in range(CELLS)])
    return {"look_up_a_trial_s_cells": look, "record_a_trial_s_cells": record}


def used(home: Home, words: Sequence[str], times: int) -> dict[str, dict[str, float]]:
    """Seconds and megabytes of a command, and how it ended."""
    runs = [mpt(home, *words) for _ in range(times)]
    seconds, megabytes, codes = zip(*runs, strict=True)
    return {"s": spread(seconds), "MB": spread(megabytes), "code": codes[0]}


def mpt(home: Home, *words: str) -> tuple[float, float, int]:
    """A process of its own, what it prints thrown away: seconds, peak megabytes, exit code."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *words],
        env={**os.environ, "MPT_HOME": str(home.root), "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, process.returncode


def once(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    return round(time.perf_counter() - begin, 3)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """``work`` done some times."""
    return spread([once(work) for _ in range(TIMES)])


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and largest."""
    return {"median": round(median(seconds), 3), "largest": round(max(seconds), 3)}


if __name__ == "__main__":
    main()
