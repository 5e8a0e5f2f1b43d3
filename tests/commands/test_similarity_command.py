"""`mpt similarity`: from the ledger alone, or tuned when asked; sources; one clear error."""

from __future__ import annotations

import json

import pytest
from terminal import contents, mpt, study_file

from mpt.stats.subspace import correlation, input_subspace
from mpt.store.artefacts import load_prompt
from mpt.store.home import Home
from mpt.store.ledger import Ledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("similarity")
    study = study_file(folder / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    assert mpt("promote", home=folder / "home").code == 0
    return folder / "home"


@pytest.fixture
def matrix(home):
    said = mpt("similarity", "--json", home=home)
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_recorded_prompts_are_compared_and_nothing_is_computed(home, matrix):
    before = contents(home)
    said = mpt("similarity", home=home)
    assert said.code == 0, said.err
    assert "superglue-cb" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert contents(home) == before
    # targets of Cls->Cls from the promotion, validation tasks from the sweep; sources have none
    assert set(matrix["tasks"]) == {"superglue-cb", "ethos-race", "trec", "liar"}
    assert "no tuned prompt of 7 of 11 tasks; --tune tunes" in said.err
    for at, row in enumerate(matrix["matrix"]):
        assert row[at] == pytest.approx(1)
        assert all(0 <= value <= 1 for value in row)


def test_a_value_is_that_of_the_prompts_of_the_best_dev_rates(home, matrix):
    best = {}
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        for unit in ledger.units("cell", "done"):
            cell, dev = unit.config, unit.result.dev
            if cell.start == "vocabulary" and cell.task in ("superglue-cb", "ethos-race"):
                key, rank = (cell.task, cell.data_seed), (dev, cell.lr)
                best[key] = max(best.get(key, ((-1.0, 0.0), "")), (rank, unit.artefact))
    place = Home.find({"MPT_HOME": str(home)})
    spaces = {key: input_subspace(load_prompt(place, path)) for key, (_, path) in best.items()}
    pairs = [(spaces["superglue-cb", s], spaces["ethos-race", s]) for s in (13, 21)]
    wanted = sum(correlation(*pair) for pair in pairs) / 2
    at = [matrix["tasks"].index(task) for task in ("superglue-cb", "ethos-race")]
    assert matrix["matrix"][at[0]][at[1]] == pytest.approx(wanted)


def test_sources_are_suggested_with_a_line_for_a_study_file(home, matrix):
    said = mpt("similarity", "--suggest", "trec", "--count", "2", "--json", home=home)
    (first, second) = json.loads(said.out)["suggest"]["sources"]
    row = matrix["matrix"][matrix["tasks"].index("trec")]
    others = sorted((v for t, v in zip(matrix["tasks"], row, strict=True) if t != "trec"))
    assert [first["correlation"], second["correlation"]] == pytest.approx(others[:0:-1])
    said = mpt("similarity", "--suggest", "trec", "--count", "2", home=home)
    assert f"In a study file:  sources: [{first['task']}, {second['task']}]" in said.out


def test_what_is_missing_is_tuned_when_asked_and_only_once(home, tmp_path):
    words = ("similarity", "--tasks", "glue-mrpc,glue-qqp", "--tune", "--suggest", "superglue-cb")
    said = mpt(*words, "--out", tmp_path / "map.svg", home=home)
    assert said.code == 0, said.err
    assert "8 units computed, 4 found in the ledger" in said.err
    assert (tmp_path / "map.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "nothing to compute" in mpt(*words, home=home).err
    tasks = json.loads(mpt("similarity", "--json", home=home).out)["tasks"]
    assert {"glue-mrpc", "glue-qqp"} < set(tasks)


REFUSED = {
    "no such study": (["--study", "smal"], "unknown study 'smal' - did you mean 'small'?"),
    "no such file": (["--study", "none.yaml"], "none.yaml cannot be read"),
    "no such task": (["--tasks", "trec,lair"], "unknown task 'lair' - did you mean 'liar'?"),
    "no such target": (["--suggest", "rec"], "unknown target 'rec' - did you mean 'trec'?"),
    "one task": (["--tasks", "trec"], "and there is only that of trec; run `mpt promote`, or"),
    "no prompt": (["--tasks", "sms_spam"], "and there is none; run `mpt promote`, or name --tasks"),
    "no picture": (["--out", "map.pdf"], "give a file that ends in .png or .svg"),
    "no folder": (["--out", "none/map.png"], "none/map.png cannot be written (No such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_one_line_and_nothing_is_written(case, home):
    words, line = REFUSED[case]
    before = contents(home)
    refused = mpt("similarity", *words, home=home)
    assert refused.code == 2
    assert line in refused.err
    assert refused.out == ""
    assert contents(home) == before
