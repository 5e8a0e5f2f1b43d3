"""Two of the same command at once: everything is computed, told and registered once."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from forked import Forked
from stage import PATIENCE, Stage
from terminal import study_file

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path):
    changes = {"trials": 2, "final": {"settings": ["Cls->Cls"], "seeds": [13, 21], "lrs": [0.5]}}
    return Stage(study_file(tmp_path / "study.yaml", changes), tmp_path / "home")


def ended(process: Forked) -> str:
    """What a command said; it is done, or says in one line who holds what it needs."""
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err, err
    assert process.returncode in (0, 2), err
    if process.returncode == 2:
        assert re.search(r"^error: .* is (?:being )?(?:held|used) by ", err, re.MULTILINE), err
    return out + err


def both(stage: Stage, *words: str) -> list[str]:
    """What two of a command say that are started at once."""
    return [ended(one) for one in [stage.start(*words), stage.start(*words)]]


def computed(said: list[str]) -> int:
    """Units that they say they computed."""
    return sum(int(n) for text in said for n in re.findall(r"(\d+) units computed", text))


def expect_once(stage: Stage) -> None:
    """No run, point or model version stands twice in MLflow."""
    runs = stage.ask(
        "mlflow",
        "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = 'mpt.key'"
        " AND lifecycle_stage = 'active'",
    )
    assert runs
    assert max(Counter(runs).values()) == 1
    assert max(Counter(stage.points()).values()) == 1
    assert {status for _, status in stage.runs()} == {"FINISHED"}


def test_two_sweeps_and_two_promotions(stage):
    said = both(stage, "sweep", "--study", str(stage.study))
    rows = stage.rows()
    assert computed(said) == len(rows)
    assert {attempt for _, attempt in rows} == {1}
    assert [state for state, _, _ in stage.trials()] == ["COMPLETE"] * 2
    expect_once(stage)
    said = both(stage, "promote", "best", "--study", "small")
    after = stage.rows()
    assert computed(said) == len(after) - len(rows) > 0
    assert {attempt for _, attempt in after} == {1}
    expect_once(stage)
    query = "SELECT value FROM model_version_tags WHERE key = 'mpt.digest'"
    versions = stage.ask("mlflow", query)
    assert len(versions) == len(set(versions)) == 1


def test_two_deliveries_and_two_rebuilds(stage):
    away = ("--tracking-uri", "http://127.0.0.1:9")
    assert "sends them" in ended(stage.start("sweep", "--study", str(stage.study), *away))
    assert not (stage.home / "mlflow.db").exists()
    both(stage, "sync")
    expect_once(stage)
    told = stage.runs(), stage.points()
    for _ in range(2):
        both(stage, "sync", "--rebuild")
        expect_once(stage)
        assert (stage.runs(), stage.points()) == told
        (stage.home / "mlflow.db").unlink()
