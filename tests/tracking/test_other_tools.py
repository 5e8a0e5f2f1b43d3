"""Optuna and MLflow read the stores as they are; docs/mlflow.md says how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from terminal import mpt, study_file

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "mlflow.md"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    study = study_file(folder / "study.yaml", {"name": "mini-reptile", "trials": 2})
    swept = mpt("sweep", "--study", study, home=folder / "mlruns")
    assert swept.code == 0, swept.err
    return folder / "mlruns"


def test_the_documented_program_finds_the_best_trial_and_the_study(home, monkeypatch):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # mlflow.set_tracking_uri cannot be taken back, and later clients would look there
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    program = re.sub(r"mlflow\.set_tracking_uri\(.*\)\n", "", program)
    names: dict = {}
    exec(program.replace("sqlite:///mlruns", f"sqlite:///{home}"), names)
    runs, study = names["runs"], names["study"]
    assert study.metric_names == ["ARG"]
    assert [trial.number for trial in study.trials] == [0, 1]
    (best,) = runs.to_dict("records")
    assert best["metrics.arg"] == pytest.approx(study.best_value)
    assert float(best["params.outer.lr"]) == study.best_params["outer_lr"]
    assert study.trials_dataframe()["value_ARG"].max() == study.best_value
