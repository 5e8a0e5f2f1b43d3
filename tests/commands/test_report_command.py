"""`mpt report`: from a table, a study and a promotion; nothing computed, nothing hidden."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pyarrow import parquet
from terminal import contents, mpt, study_file

from mpt.store.ledger import Ledger

TABLES = ("arg", "gains", "scores", "trials", "units")
PUBLISHED_BY_LR = {"MAML": 6.94, "FoMAML": -1.41, "Reptile": 4.15, "MTL": 15.41}
PUBLISHED_BY_LR["Fine-tuning"] = 11.01
RESULTS = "method,task,seed,dev,test\nPT,boolq,13,0.5,0.5\nMAML,boolq,13,0.5,0.6\n"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_published_table_gives_the_papers_cells_beside_the_papers(shared, tmp_path):
    table = shared / "reference" / "published_results.csv"
    said = mpt("report", "--results", table, "--out", tmp_path / "out", home=tmp_path / "home")
    assert said.code == 0, said.err
    assert not (tmp_path / "home").exists()
    lines = (tmp_path / "out" / "arg.md").read_text(encoding="utf-8").splitlines()
    cells = [[c.strip(" *") for c in line.split("|")] for line in lines if "->" in line]
    assert len(cells) == 14
    assert all(row[3] == row[7] for row in cells)


@pytest.mark.parametrize(("named", "paper"), [((), 11.14), (("--backbone", "T5-Base"), 9.24)])
def test_a_table_with_rates_and_without_settings(shared, tmp_path, named, paper):
    table, folder = shared / "reference" / "published_results_by_lr.csv", tmp_path / "out"
    said = mpt("report", "--results", table, "--out", folder, *named, home=tmp_path / "home")
    assert said.code == 0, said.err
    found = {row["method"]: round(float(row["arg"]), 2) for row in rows(folder / "arg.csv")}
    assert found == PUBLISHED_BY_LR
    assert "MAML on paws lacks seed 42, 87" in said.err
    (line,) = (x for x in (folder / "arg.md").read_text().splitlines() if "| MAML" in x)
    assert f"+{paper}" in line


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    study = study_file(folder / "study.yaml", {"trials": 2})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    return folder / "home"


def test_a_study_shows_its_trials_and_tables_in_every_form(home, tmp_path):
    said = mpt("report", "--study", "small", "--out", tmp_path / "out", home=home)
    assert said.code == 0, said.err
    assert len(rows(tmp_path / "out" / "trials.csv")) == 2
    written = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    # a table without rows has no file
    assert {"trials", "units"} <= written <= set(TABLES) - {"arg"}
    for name in written:
        table = parquet.read_table(tmp_path / "out" / f"{name}.parquet")
        read = rows(tmp_path / "out" / f"{name}.csv")
        assert table.num_rows == len(read)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Not evaluated on target tasks yet" in page
    assert 'id="curves"' in page


@pytest.mark.slow
def test_a_promotion_is_reported_from_the_ledger_alone_and_what_is_gone_is_shown(home, tmp_path):
    refused = mpt("report", "--promotion", "small", "--out", tmp_path / "out", home=home)
    assert refused.code == 2
    assert "this ledger has no results of this promotion; run `mpt promote`" in refused.error
    assert mpt("promote", home=home).code == 0
    before = contents(home / "prompts")
    assert mpt("report", "--promotion", "small", "--out", tmp_path / "out", home=home).code == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for section in ("convergence", "similarity", "sweep", "curves"):
        assert f'<h2 id="{section}">' in page
    scores = rows(tmp_path / "out" / "scores.csv")
    assert all(row["digest"] for row in scores)
    (arg,) = rows(tmp_path / "out" / "arg.csv")
    assert arg["digest"]
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        assert ledger.forget(scores[0]["digest"])
    said = mpt("report", "--promotion", "small", "--out", tmp_path / "out", home=home)
    assert said.code == 0, said.err
    gone = [row for row in rows(tmp_path / "out" / "units.csv") if row["state"] == "missing"]
    assert {row["digest"] for row in gone} == {scores[0]["digest"]}
    assert "1 of" in said.err
    assert contents(home / "prompts") == before


def test_without_a_name_the_newest_study_is_reported(home, tmp_path):
    said = mpt("report", "--out", tmp_path / "out", home=home)
    assert said.code == 0, said.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "small" in page


def test_without_a_study_there_is_nothing_to_report(tmp_path):
    refused = mpt("report", "--out", tmp_path / "out", home=tmp_path / "none")
    assert refused.code == 2
    assert "begin one with `mpt sweep" in refused.error


REFUSED = {
    "two things": (["--study", "a", "--promotion", "a"], "2 things to report were named"),
    "no such study": (["--study", "smal"], "unknown study 'smal' - did you mean 'small'?"),
    "no such file": (["--results", "none.csv"], "none.csv: cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_reported_is_one_line_and_nothing_is_written(case, home, tmp_path):
    words, line = REFUSED[case]
    before = contents(home)
    refused = mpt("report", *words, "--out", tmp_path / "out", home=home)
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.error
    assert contents(home) == before
    assert not (tmp_path / "out").exists()


def test_a_setting_is_named_only_where_the_table_names_none(tmp_path):
    table = tmp_path / "r.csv"
    table.write_text(RESULTS)
    out = tmp_path / "out"
    said = mpt("report", "--results", table, "--setting", "A->B", "--out", out, home=tmp_path / "h")
    assert said.code == 0
    assert rows(out / "arg.csv")[0]["setting"] == "A->B"
    again = mpt(
        "report", "--results", out / "scores.csv", "--setting", "C", "--out", out, home=tmp_path
    )
    assert again.code == 2
    assert "has a column of settings" in again.error
