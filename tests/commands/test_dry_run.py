"""`--dry-run`: the units that are planned are the units that run, and nothing is written."""

from __future__ import annotations

import json

import pytest
from terminal import contents, mpt, study_file

from mpt.store.ledger import Ledger

pytestmark = pytest.mark.slow

FINAL = {
    "settings": ["Cls->Cls", "R->R"],
    "methods": ["fomaml", "mtl"],
    "baselines": ["PT", "FT"],
    "seeds": [13, 21],
    "lrs": [0.5],
    "fine_tuning": {"steps": 2, "num_evals": 1, "lrs": [3e-4]},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("dry") / "home"


@pytest.fixture(scope="module")
def study(home):
    return study_file(home.parent / "study.yaml", {"trials": 3, "final": FINAL})


def units(home) -> set[str]:
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return {unit.digest for unit in ledger.units()}


def plan(*words, home) -> dict:
    said = mpt(*words, "--dry-run", "--json", home=home)
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.fixture(scope="module")
def swept(home, study):
    """What was planned before and after the sweep."""
    before = plan("sweep", "--study", study, home=home)
    assert not home.exists()
    assert mpt("sweep", "--study", study, home=home).code == 0
    return before, plan("sweep", "--study", study, home=home)


@pytest.fixture(scope="module")
def promoted(swept, home):
    earlier, untouched = units(home), contents(home)
    before = plan("promote", "best", home=home)
    assert contents(home) == untouched
    assert mpt("promote", "best", home=home).code == 0
    return earlier, before, plan("promote", "best", home=home)


def test_a_sweep_runs_the_units_that_were_planned(swept, home):
    before, after = swept
    # plain prompt tuning, then three trials: one meta-training, two tasks and two seeds each
    assert (before["units"], before["held"], before["left"]) == (4 + 3 * 5, 0, 19)
    assert len(units(home)) == 19
    assert (after["units"], after["held"], after["left"]) == (19, 19, 0)
    assert after["probe"]["seconds"] == 0


def test_a_promotion_runs_the_units_that_were_planned(promoted, home):
    earlier, before, after = promoted
    assert before["left"] == len(units(home)) - len(earlier)
    assert (after["left"], after["units"]) == (0, before["units"])
    assert after["probe"]["timings"] == []


def test_the_matrix_has_a_row_for_every_setting_and_method(promoted):
    _, before, _ = promoted
    rows = {(row["part"], row["method"]): row for row in before["rows"]}
    methods = ("PT", "Fine-tuning", "FoMAML", "MTL")
    settings = {(setting, method) for setting in ("Cls->Cls", "R->R") for method in methods}
    assert set(rows) == {*settings, ("small: re-test", "PT"), ("small: re-test", "trials")}
    assert rows["small: re-test", "trials"]["units"] == 3 * 2 * 3
    one = rows["Cls->Cls", "FoMAML"]
    assert (one["learned"], one["tasks"], one["seeds"], one["rates"]) == (1, 2, 2, 1)
    assert (one["units"], one["held"] + one["left"]) == (5, 5)


def test_it_says_what_it_assumed_and_what_it_measured(promoted):
    _, before, after = promoted
    assert any("the re-test has not run yet" in line for line in before["about"])
    assert not any("re-test" in line for line in after["about"])
    kinds = {timing["what"].partition(",")[0] for timing in before["probe"]["timings"]}
    assert kinds == {"meta-training", "prompt tuning", "full fine-tuning"}
    assert sum(timing["units"] for timing in before["probe"]["timings"]) == before["left"]
    assert all(timing["step"] > 0 and timing["each"] > 0 for timing in before["probe"]["timings"])
    assert before["probe"]["memory"] > 50e6
    assert 1e3 * before["left"] < before["probe"]["disk"] < 1e5 * before["left"]


def test_people_read_configuration_matrix_probe_and_expectation(promoted, home):
    before = contents(home)
    said = mpt("promote", "best", "--settings", "r-r", "--methods", "maml", "--dry-run", home=home)
    assert said.code == 0, said.err
    assert contents(home) == before
    lines = said.out.splitlines()
    assert lines[0] == "Configuration"
    assert "method: fomaml" in lines
    (row,) = (line for line in lines if line.startswith(" R->R") and "MAML" in line)
    assert row.split()[2:] == ["1", "1", "x", "2", "x", "1", "3", "0", "3"]
    assert any(line.endswith("3 to compute") for line in lines)
    assert lines[-1].startswith("Expected: ")


def test_what_is_wrong_is_told_as_without_it(promoted, home):
    refused = mpt("promote", "best", "--settings", "cls-clz", "--dry-run", home=home)
    assert refused.code == 2
    assert "did you mean 'Cls->Cls'" in refused.error
