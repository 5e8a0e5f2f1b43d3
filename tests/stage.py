"""A small sweep in a folder of its own: run as a process, and looked at in its own stores."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import Forked

PATIENCE = 300
"""Seconds after which a process that has not done what a test waits for has failed."""


@dataclass(frozen=True)
class Stage:
    """Where sweeps are run and killed."""

    study: Path
    home: Path

    def start(self, *words: str) -> Forked:
        """A command, by default `mpt sweep` on the study, as a process of its own."""
        words = words or ("sweep", "--study", str(self.study))
        return Forked(words, {"MPT_HOME": str(self.home)})

    def finish(self) -> str:
        """Run the sweep to its end; what it said on standard error."""
        process = self.start()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return err

    def rows(self) -> dict[tuple[str, int], tuple]:
        """The ledger's rows by digest and attempt; none where there is no ledger yet."""
        query = "SELECT digest, attempt, created, state, result, artefact FROM mpt_units"
        try:
            uri = f"file:{self.home / 'ledger.db'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as ledger:
                found = ledger.execute(query)
                return {(digest, attempt): tuple(rest) for digest, attempt, *rest in found}
        except sqlite3.OperationalError:
            return {}

    def trials(self) -> list[tuple[str, float, dict]]:
        """State, ARG and parameters of every trial, as Optuna's own tables hold them."""
        return self.ask(
            "studies",
            "SELECT t.state, v.value, p.param_value FROM trials t"
            " LEFT JOIN trial_values v USING (trial_id) LEFT JOIN trial_params p USING (trial_id)"
            " ORDER BY t.number",
        )

    def runs(self) -> list[tuple[str, str]]:
        """Name and status of every run in MLflow."""
        return sorted(self.ask("mlflow", "SELECT name, status FROM runs"))

    def points(self) -> list[tuple[str, str, int]]:
        """Every metric point in MLflow as (run, metric, step); one told twice stands here twice."""
        query = "SELECT r.name, m.key, m.step FROM metrics m JOIN runs r USING (run_uuid)"
        return sorted(self.ask("mlflow", query))

    def wait_for(self, rows: int, process: Forked) -> None:
        """Wait until the ledger holds so many rows."""
        deadline = time.monotonic() + PATIENCE
        while len(self.rows()) < rows:
            assert process.poll() is None, "the sweep ended before it could be disturbed"
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def ask(self, store: str, query: str) -> list:
        """Rows that a query gives of one of the home's databases."""
        with closing(sqlite3.connect(self.home / f"{store}.db")) as database:
            return list(database.execute(query))


def kill(process: Forked) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


def score(row: tuple) -> list[float]:
    result = json.loads(row[2])
    return [result.get("dev", 0.0), result.get("test", 0.0)]


def is_as_undisturbed(stage: Stage, undisturbed: Stage) -> None:
    """Same units, scores, trials, runs and metric points; nothing open, nothing doubled."""
    found, expected = stage.rows(), undisturbed.rows()
    # attempt 1 of every unit, of the same units, and no others
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row[1] == expected[key][1] == "done"
        assert score(row) == pytest.approx(score(expected[key]), abs=1e-6)
    searched, wanted = stage.trials(), undisturbed.trials()
    assert [state for state, _, _ in searched] == ["COMPLETE"] * len(wanted)
    assert [params for _, _, params in searched] == [params for _, _, params in wanted]
    args = [arg for _, arg, _ in searched]
    assert args == pytest.approx([arg for _, arg, _ in wanted], abs=1e-3)
    names = sorted(["small", *(f"trial-{number}" for number in range(len(wanted)))])
    assert stage.runs() == [(name, "FINISHED") for name in names]
    assert stage.points() == undisturbed.points()
