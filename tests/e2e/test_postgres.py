"""Sweeps on a real PostgreSQL: restarted under them, and fought over by four drivers."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from forked import Forked
from terminal import study_file

pytestmark = pytest.mark.slow

LONGER = {
    "outer": {"steps": 10, "episodes": 2, "batch": 2},
    "tuning": {"steps": 8, "batch": 4, "num_evals": 2},
    "trials": 4,
    "cells_per_pack": 2,
}
PATIENCE = 240


@pytest.fixture
def start(postgres, tmp_path):
    """Starts `mpt sweep` with three databases of its own; whatever still runs is killed."""
    postgres.make("ledger", "studies")
    study = study_file(tmp_path / "study.yaml", LONGER)
    stores = {
        "MPT_HOME": str(tmp_path / "home"),
        "MPT_LEDGER_URL": postgres.url("ledger"),
        "MPT_STUDIES_URL": postgres.url("studies"),
    }
    begun = []

    def sweep() -> Forked:
        process = Forked(["sweep", "--study", str(study)], stores)
        begun.append(process)
        return process

    yield sweep
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def ask(postgres):
    """Asks one of the databases; None where there is no such table yet."""
    engines = {name: sa.create_engine(postgres.url(name)) for name in ("ledger", "studies")}

    def answer(database: str, query: str) -> list:
        try:
            with engines[database].connect() as db:
                return list(db.execute(sa.text(query)))
        except sa.exc.DBAPIError:
            return []

    yield answer
    for engine in engines.values():
        engine.dispose()


def wait_for(units: int, ask, process) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(ask("ledger", "SELECT 1 FROM mpt_units")) < units:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sweep_survives_restarts_of_its_database(postgres, start, ask):
    process = start()
    for units in (1, 12, 24):
        wait_for(units, ask, process)
        postgres.restart()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Best: trial" in out
    states = ask("studies", "SELECT number, state FROM trials ORDER BY number")
    assert states == [(number, "COMPLETE") for number in range(4)]
    twice = "SELECT digest FROM mpt_units GROUP BY digest HAVING count(*) > 1"
    assert ask("ledger", twice) == []
    again = start()
    assert "nothing to compute" in again.communicate(timeout=PATIENCE)[1]


def test_of_four_drivers_started_at_once_one_runs_and_three_are_told(start):
    drivers = [start() for _ in range(4)]
    said = [driver.communicate(timeout=PATIENCE) for driver in drivers]
    codes = [driver.returncode for driver in drivers]
    assert sorted(codes) == [0, 2, 2, 2], said
    runs = drivers[codes.index(0)].pid
    for code, (_, err) in zip(codes, said, strict=True):
        if code:
            assert f"study:small is held by process {runs} on " in err.splitlines()[-1]
            assert "Traceback" not in err
