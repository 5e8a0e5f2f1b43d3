"""`mpt show`: everything behind a digest, by prefix, or one clear line."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from terminal import contents, mpt, study_file

from mpt.store import software as recorded
from mpt.store.artefacts import load_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("show")
    study = study_file(folder / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    return folder / "home"


@pytest.fixture(scope="module")
def units(home):
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return list(ledger.units())


def test_a_meta_training_and_all_behind_it(home, units):
    (unit,) = (unit for unit in units if unit.kind == "meta")
    before = contents(home)
    said = mpt("show", unit.digest[:9], home=home)
    assert said.code == 0, said.err
    for part in ("commit:", "dirty:", "data_seeds", "weights:", "mlflow runs", "training loss"):
        assert part in said.out
    told = json.loads(mpt("show", unit.digest, "--json", home=home).out)
    assert told["config"] == unit.config.stored()
    assert told["prompt"].endswith(f"{unit.digest}.safetensors")
    assert len(told["mlflow_runs"]) == 1
    assert told["software"] == unit.result.software.stored()
    assert told["numerics"] == unit.result.numerics.stored()
    assert told["numerics"]["threads"] >= 1
    assert "numerics:" in said.out
    assert {name for name in contents(home) if "mlflow" not in name} == {
        name for name in before if "mlflow" not in name
    }


def test_a_cell_shows_its_scores(home, units):
    unit = next(unit for unit in units if unit.kind == "cell")
    told = json.loads(mpt("show", unit.digest, "--json", home=home).out)
    assert told["result"]["test"] == unit.result.test
    assert told["config"]["data_seed"] in (13, 21)


def test_what_is_not_there_is_one_line(home, units, tmp_path):
    digest = units[0].digest
    wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
    refused = mpt("show", wrong, home=home)
    assert refused.code == 2
    assert f"unknown digest '{wrong}' - did you mean '{digest}'" in refused.error
    assert "there is no ledger at" in mpt("show", "ab", home=tmp_path / "new").error
    assert not (tmp_path / "new").exists()


def test_a_prefix_of_several_asks_for_more(units, tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        for digest in ("abc000000000", "abd000000000"):
            ledger.record(replace(units[0], digest=digest))
    refused = mpt("show", "ab", home=tmp_path)
    assert refused.code == 2
    assert "2 digests begin with 'ab' (abc000000000, abd000000000)" in refused.error
    assert mpt("show", "abd", home=tmp_path).code == 0


def test_the_record_says_commit_and_changes(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    monkeypatch.setattr(recorded, "PACKAGE", tmp_path)
    look = recorded.software.__wrapped__
    assert (look().commit, look().dirty) == (None, None)
    git("init")
    (tmp_path / "__init__.py").touch()
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "One")
    assert len(str(look().commit)) == 40
    assert look().dirty is False
    (tmp_path / "__init__.py").write_text("changed")
    assert look().dirty is True


def test_a_prompt_is_looked_into(home, units):
    """Norms, drift and nearest tokens are those of the file, from vocabulary and from a digest."""
    (learned,) = (unit for unit in units if unit.kind == "meta")
    place = Home.find({"MPT_HOME": str(home)})
    prompts = {u.digest: load_prompt(place, u.artefact) for u in units if u.artefact}
    cells = {unit.config.start: unit for unit in units if unit.kind == "cell"}
    for unit in (learned, *cells.values()):
        told = json.loads(mpt("show", unit.digest, "--prompt", "--json", home=home).out)
        view, prompt = told["prompt_view"], prompts[unit.digest]
        assert [row["norm"] for row in view["rows"]] == pytest.approx(prompt.norm(dim=-1).tolist())
        assert all(len(row["nearest"]) == 3 for row in view["rows"])
        assert 0 < view["drift"] < 10
    tuned = cells[learned.digest]
    told = json.loads(mpt("show", tuned.digest, "--prompt", "--json", home=home).out)
    apart = prompts[tuned.digest] - prompts[learned.digest]
    drifts = [row["drift"] for row in told["prompt_view"]["rows"]]
    assert told["prompt_view"]["start"] == learned.digest
    assert drifts == pytest.approx(apart.norm(dim=-1).tolist(), rel=1e-4)
    said = mpt("show", tuned.digest, "--prompt", home=home)
    assert said.code == 0, said.err
    assert "nearest tokens (cosine)" in said.out
    assert max(map(len, said.out.partition("Prompt of")[2].splitlines())) <= 80


def test_a_unit_without_a_prompt_is_told_so(units, tmp_path):
    lost = replace(units[0], digest="abc000000000", artefact=None, state="diverged")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.record(lost)
    refused = mpt("show", "abc", "--prompt", home=tmp_path)
    assert refused.code == 2
    assert f"unit abc000000000 ({lost.kind}, diverged) has no prompt to show" in refused.error
