"""`mpt sweep` with a pruner, as its user and MLflow see it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from terminal import mpt, study_file

TRIALS = 12


@pytest.mark.slow
def test_pruned_trials_are_shown_as_such_and_killed_in_mlflow(tmp_path):
    file = study_file(
        tmp_path / "study.yaml",
        {
            "sampler": "grid",
            # so many that some are pruned whatever the gains of so small a world happen to be
            "space": {"outer_lr": [0.1 * 2**power for power in range(TRIALS)]},
            "outer": {"steps": 9, "episodes": 2, "batch": 2},
            "trials": TRIALS,
            "pruner": {"kind": "hyperband", "min_resource": 1},
        },
    )
    home = tmp_path / "home"
    swept = mpt("sweep", "--study", file, "--json", home=home)
    trials = json.loads(swept.out)["trials"]
    lost = {t["number"]: t["reason"] for t in trials if t["state"] == "pruned"}
    assert 0 < len(lost) < TRIALS
    assert all(reason.startswith("pruned at meta-step") for reason in lost.values())
    shown = mpt("studies", "show", "small", home=home).out
    assert sum(line.rstrip().endswith("pruned") for line in shown.splitlines()) == len(lost)
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        rows = store.execute(
            "SELECT r.name, r.status, t.value FROM runs r JOIN tags t USING (run_uuid)"
            " WHERE t.key = 'mpt.reason' AND t.value != ''"
        ).fetchall()
    assert sorted(rows) == sorted(
        (f"trial-{number}", "KILLED", reason) for number, reason in lost.items()
    )
    again = mpt("sweep", "--study", file, home=home)
    assert "nothing to compute" in again.err
