"""How long commands and the search take on a store of 10,000 units and 2,000 trials.

    python benchmarks/scale.py [--units 10000] [--trials 2000]

Makes such a store in a temporary folder with mpt's own ledger and Optuna, then times, five times
each, `mpt studies show` and `list` as processes, and in this process what a sweep does between two
packs: the next ask and tell of a TPE study (a round of four, and per trial), and looking up and
recording a trial's cells. Prints JSON; seconds, medians, with the slowest of five beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import optuna

from mpt.config import BackboneConfig, CellConfig, Tuning
from mpt.lab.home import Home
from mpt.lab.ledger import Ledger
from mpt.lab.search import Search, Trial
from mpt.lab.study import Study
from mpt.lab.study_file import make_study
from mpt.lab.unit import Unit
from mpt.seeding import entropy, stream

STATES = optuna.trial.TrialState
ROOT = Path(__file__).resolve().parent.parent
CELLS = 10
TIMES = 5
"""Repetitions, and cells of a trial: five tasks, two data seeds."""


def main() -> None:
    """Fill, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--trials", type=int, default=2_000)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="mpt-scale-") as folder:
        home = Home.find({"MPT_HOME": folder}).open()
        study = big_study(given.trials)
        found = {
            "units": given.units,
            "trials": given.trials,
            "fill_ledger": once(lambda: fill_ledger(home, given.units)),
            "fill_study": once(lambda: fill_study(home, study, given.trials)),
            "studies_show": timed(lambda: command(home, "show", study.title)),
            "studies_show_json": timed(lambda: command(home, "show", study.title, "--json")),
            "studies_list": timed(lambda: command(home, "list")),
            "mpt_help": timed(lambda: mpt(home, "--help")),
            **search_times(home, study),
            **ledger_times(home, given.units),
        }
    print(json.dumps(found, indent=2))


def big_study(trials: int) -> Study:
    """A TPE study over the paper's four dimensions, open for more trials than are measured."""
    space = {
        "inner_lr": {"low": 0.1, "high": 10.0},
        "outer_lr": {"low": 0.03, "high": 0.5},
        "inner_steps": [3, 5],
        "outer_steps": [40, 80],
    }
    return make_study({"name": "big", "space": space, "trials": trials + 100})


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
    body = config.model_dump(mode="json")
    return Unit(config.digest, "cell", body, "done", result, None, 0.5, datetime.now(UTC))


def fill_ledger(home: Home, units: int) -> None:
    """One record after the other, as a sweep writes them."""
    with Ledger(home.ledger_url) as ledger:
        for number in range(units):
            ledger.record(unit(cell(number)))


def fill_study(home: Home, study: Study, trials: int) -> None:
    """Finished trials, one in ten diverged, as ``Search.tell`` leaves them."""
    Search.begin(study, study.definition, home)
    store = optuna.load_study(study_name=study.title, storage=home.studies_url)
    dimensions = {
        "inner_lr": optuna.distributions.FloatDistribution(0.1, 10.0, log=True),
        "outer_lr": optuna.distributions.FloatDistribution(0.03, 0.5, log=True),
        "inner_steps": optuna.distributions.CategoricalDistribution((3, 5)),
        "outer_steps": optuna.distributions.CategoricalDistribution((40, 80)),
    }
    for number in range(trials):
        draws = stream("trial", number)
        arg = float(draws.normal(5, 10))
        digest = f"{entropy('start', number):012x}"[:12]
        good = {"digest": digest, "interval": [arg - 40, arg + 40]}
        lost = {"digest": digest, "end": "diverged", "reason": f"run {digest} diverged", "step": 9}
        is_lost = number % 10 == 3
        store.add_trial(
            optuna.trial.create_trial(
                state=STATES.PRUNED if is_lost else STATES.COMPLETE,
                value=None if is_lost else arg,
                params={
                    "inner_lr": float(10 ** draws.uniform(-1, 1)),
                    "outer_lr": float(10 ** draws.uniform(-1.5, -0.31)),
                    "inner_steps": int(draws.choice([3, 5])),
                    "outer_steps": int(draws.choice([40, 80])),
                },
                distributions=dimensions,
                user_attrs=lost if is_lost else good,
            )
        )


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


def command(home: Home, *words: str) -> None:
    """`mpt studies` as a user starts it."""
    mpt(home, "studies", *words)


def mpt(home: Home, *words: str) -> None:
    """A process of its own; what it prints is thrown away."""
    subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words],
        env={**os.environ, "MPT_HOME": str(home.root), "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def once(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    return round(time.perf_counter() - begin, 3)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """``work`` done some times."""
    return spread([once(work) for _ in range(TIMES)])


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and slowest."""
    return {"median": round(median(seconds), 3), "slowest": round(max(seconds), 3)}


if __name__ == "__main__":
    main()
