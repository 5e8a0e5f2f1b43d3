"""A campaign of several methods: what takes part, what is computed once, what is never repeated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from terminal import contents, mpt, study_file

from mpt.search.search import Search
from mpt.store.ledger import Ledger

pytestmark = pytest.mark.slow

FINAL = {
    "settings": ["Cls->Cls", "R->R"],
    "methods": ["fomaml", "reptile"],
    "seeds": [13],
    "lrs": [0.5],
    "meta_seeds": [0, 1],
    "fine_tuning": {"steps": 2, "num_evals": 1, "lrs": [3e-4, 1e-4]},
}
NAMES = {"fomaml": "small", "maml": "small-maml", "reptile": "small-reptile"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a study of FoMAML and one of Reptile."""
    folder = tmp_path_factory.mktemp("campaign")
    # the study that is promoted is begun last
    for method in ("reptile", "fomaml"):
        changes = {"trials": 2, "final": FINAL, "method": method, "name": NAMES[method]}
        study = study_file(folder / f"{method}.yaml", changes)
        said = mpt("sweep", "--study", study, home=folder / "home")
        assert said.code == 0, said.err
    return folder / "home"


@pytest.fixture(scope="module")
def promoted(home):
    return mpt("promote", "best", "--json", home=home)


def ledger(home: Path) -> Ledger:
    return Ledger(f"sqlite:///{home / 'ledger.db'}")


def test_every_method_has_its_gain_in_every_setting(promoted):
    assert promoted.code == 0, promoted.err
    gains = json.loads(promoted.out)["gains"]
    found = [(gain["setting"], gain["method"]) for gain in gains]
    both = ("fomaml", "reptile")
    assert found == [(setting, method) for setting in ("Cls->Cls", "R->R") for method in both]
    assert all(set(gain["by_meta_seed"]) == {"0", "1"} for gain in gains)


def test_it_says_where_each_method_s_hyper_parameters_come_from(promoted):
    lines = promoted.err.splitlines()
    (own,) = (line for line in lines if line.startswith("fomaml: "))
    (other,) = (line for line in lines if line.startswith("reptile: "))
    assert own.startswith("fomaml: trial ")
    assert own.endswith(" of small")
    assert other.startswith("reptile: trial ")
    assert other.endswith(" of small-reptile")


def test_both_searches_were_re_tested_on_seeds_that_they_had_not_used(promoted, home):
    lines = [line for line in promoted.err.splitlines() if "on the fresh data seeds" in line]
    named = [line.partition(":")[0] for line in lines]
    assert named == ["re-test of small", "re-test of small-reptile"]
    assert all("seeds 42, 87, 100: trial " in line for line in lines)
    said = [line for line in promoted.err.splitlines() if "on these tasks" in line]
    assert len(said) == 2
    assert all("is ahead of" in line or "no significant difference" in line for line in said)
    with ledger(home) as units:
        seeds = {u.config.data_seed for u in units.units("cell") if u.config.task == "trec"}
    assert seeds == {13, 21, 42, 87, 100}


def test_plain_prompt_tuning_is_computed_once_per_target(promoted, home):
    with ledger(home) as units:
        cells = [unit.config for unit in units.units("cell")]
    plain = [c.task for c in cells if c.start == "vocabulary" and c.lr == 0.5]
    assert sorted(plain) == sorted(set(plain))
    assert {"superglue-cb", "ethos-race"} <= set(plain)


def test_a_second_campaign_computes_nothing_and_says_the_same(promoted, home):
    again = mpt("promote", "best", "--json", home=home)
    assert again.out == promoted.out
    assert "nothing to compute: all " in again.err


def test_a_unit_that_is_deleted_is_the_only_one_that_is_computed_again(promoted, home):
    for kind in ("meta", "cell"):
        with ledger(home) as units:
            before = {unit.digest: unit.created for unit in units.units()}
            lost = [unit.digest for unit in units.units(kind)][-1]
            units.forget(lost)
        again = mpt("promote", "best", "--json", home=home)
        assert again.out == promoted.out
        assert "1 units computed, " in again.err
        with ledger(home) as units:
            after = {unit.digest: unit.created for unit in units.units()}
        assert after.keys() == before.keys()
        assert [digest for digest in after if after[digest] != before[digest]] == [lost]


def test_the_report_shows_all_methods_and_tells_meta_seeds_apart(promoted, home, tmp_path):
    said = mpt("report", "--promotion", "small", "--out", tmp_path / "report", home=home)
    assert said.code == 0, said.err
    with (tmp_path / "report" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"PT", "fomaml", "reptile"}
    assert {row["meta_seed"] for row in rows if row["method"] == "reptile"} == {"0", "1"}
    assert all(row["digest"] for row in rows)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "of small-reptile" in text
    assert "on the fresh data seeds 42, 87, 100" in text
    assert "Reptile's ARG is taken over several meta-trainings, whose own ARGs by seed are" in text
    # the table of scores alone gives the same gains
    told = json.loads(mpt("arg", tmp_path / "report" / "scores.csv", "--json", home=home).out)
    assert told["gains"] == json.loads(promoted.out)["gains"]


def test_mlflow_has_a_run_for_every_meta_training(promoted, home):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs(["1"], "tags.`mpt.kind` LIKE 'promotion%'")
    names = {run.info.run_name for run in found if "mlflow.parentRunId" in run.data.tags}
    each = ("{}", "{} seed 1", "{} reptile", "{} reptile seed 1")
    assert names == {name.format(s) for s in ("Cls->Cls", "R->R") for name in each}


def test_a_number_is_promoted_as_it_is_and_methods_without_a_study_have_defaults(promoted, home):
    said = mpt("promote", "1", "--methods", "fomaml,mtl", "--settings", "cls-cls", home=home)
    assert said.code == 0, said.err
    assert "re-test" not in said.err
    assert "fomaml: trial 1 of small\n" in said.err
    assert "mtl: defaults, as there is no study small-mtl\n" in said.err
    shown = [line for line in said.out.splitlines() if line.startswith((" Cls->Cls", "  "))]
    assert any("MTL" in line for line in shown)


def test_no_re_test_where_none_is_asked_for(promoted, home):
    said = mpt("promote", "best", "--top-k", "1", "--methods", "fomaml", home=home)
    assert said.code == 0, said.err
    assert "re-test" not in said.err
    trials = Search.load(_home(home), "small").trials
    best = max(trials, key=lambda trial: trial.arg or 0.0)
    assert f"fomaml: trial {best.number} of small" in said.err


def test_a_study_of_another_question_gives_no_hyper_parameters(promoted, home, tmp_path):
    changes = {"trials": 1, "method": "maml", "name": "small-maml", "setting": "R->R"}
    changes |= {"sources": None, "source_seeds": [13], "outer": {"steps": 1, "episodes": 1}}
    study = study_file(tmp_path / "maml.yaml", changes)
    assert mpt("sweep", "--study", study, home=home).code == 0
    words = ("--study", "small", "--methods", "maml", "--settings", "cls-cls")
    said = mpt("promote", "best", *words, home=home)
    assert "maml: defaults, as study small-maml has another setting and sources" in said.err


def test_full_fine_tuning_stands_beside_the_methods(promoted, home, tmp_path):
    words = ("--study", "small", "--methods", "reptile", "--settings", "r-r")
    first = mpt("promote", "best", *words, "--baselines", "all", "--json", home=home)
    assert first.code == 0, first.err
    gains = json.loads(first.out)["gains"]
    assert [(gain["method"], gain["baseline"]) for gain in gains] == [
        ("reptile", "PT"),
        ("FT", "PT"),
    ]
    assert gains[1]["by_meta_seed"] == {}
    # one target, one seed, two rates
    assert "2 units computed" in first.err
    again = mpt("promote", "best", *words, "--baselines", "ft", "--json", home=home)
    assert again.out == first.out
    assert "nothing to compute" in again.err
    out = tmp_path / "report"
    assert mpt("report", "--promotion", "small", "--out", out, home=home).code == 0
    assert "| R->R | Fine-tuning |" in (out / "report.md").read_text()


REFUSED = {
    "no such baseline": (["--baselines", "lora"], "unknown baseline 'LORA'. Known: FT, PT."),
    "no such method": (["--methods", "mamk"], "unknown method 'mamk' - did you mean 'maml'"),
    "nothing": (["--methods", ""], "unknown method ''"),
    "a method twice": (["--methods", "maml,maml"], "repeated: maml; name each value once"),
    "a setting twice": (["--settings", "r-r,R->R"], "'final.settings' names R->R twice"),
    "a near miss": (
        ["--settings", "cls-clz"],
        "unknown setting 'cls-clz' - did you mean 'Cls->Cls'",
    ),
    "none to re-test": (["--top-k", "0"], "Invalid value for '--top-k'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_run_is_one_line_and_nothing_is_written(case, promoted, home):
    words, line = REFUSED[case]
    before = contents(home)
    refused = mpt("promote", "best", "--study", "small", *words, home=home)
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(home) == before


def _home(folder: Path):
    from mpt.store.home import Home

    return Home.find({"MPT_HOME": str(folder)})
