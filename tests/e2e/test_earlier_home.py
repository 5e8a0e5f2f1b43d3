"""What mpt 0.1.0 left behind is taken up as it is: every unit is found, none is computed again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from terminal import mpt

from mpt.config import PausedRun
from mpt.store.ledger import Ledger
from mpt.store.row_checks import expect_sound

LEFT = Path(__file__).resolve().parent.parent / "fixtures" / "home-0.1"


def left(home: Path, *stores: str) -> Path:
    """The home as that version left it, less what only speeds things up."""
    shutil.copytree(LEFT / "prompts", home / "prompts")
    for store in stores:
        with closing(sqlite3.connect(home / f"{store}.db")) as database:
            database.executescript((LEFT / f"{store}.sql").read_text(encoding="utf-8"))
    return home


def moved(folder: Path) -> None:
    """Lay the study beside its gym and backbone, which are somewhere else than they were then."""
    for name in ("gym", "backbone"):
        shutil.copytree(LEFT / name, folder / name)
    shutil.copy(LEFT / "study.yaml", folder)


def rows(home: Path) -> list[tuple]:
    """Every row of the ledger's units, as the database holds it."""
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        return ledger.execute("SELECT * FROM mpt_units ORDER BY digest, attempt").fetchall()


def test_it_holds_units_of_every_kind(tmp_path):
    home = left(tmp_path / "home", "ledger")
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        units = list(ledger.units())
    expect_sound(units)
    ends = {(unit.kind, unit.state, isinstance(unit.config, PausedRun)) for unit in units}
    whole = {(kind, state) for kind, state, paused in ends if not paused}
    assert whole == {(k, s) for k in ("meta", "cell", "finetune") for s in ("done", "diverged")}
    assert ("meta", "done", True) in ends


@pytest.mark.slow
@pytest.mark.parametrize("stores", [("ledger", "studies"), ("ledger",)], ids=["whole", "ledger"])
def test_nothing_of_it_is_computed_again(tmp_path, monkeypatch, stores):
    home = left(tmp_path / "home", *stores)
    moved(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = rows(home)
    for words in (("sweep", "--study", "study.yaml"), ("promote", "2")):
        ended = mpt(*words, home=home)
        assert ended.code == 0, ended.err
        assert "nothing to compute" in ended.err
        assert rows(home) == before


@pytest.mark.slow
def test_its_promotion_is_that_of_the_trial_that_was_number_3(tmp_path, monkeypatch):
    home = left(tmp_path / "home", "ledger", "studies")
    moved(tmp_path)
    monkeypatch.chdir(tmp_path)
    # its gym and backbone are somewhere else now
    assert mpt("sweep", "--study", "study.yaml", home=home).code == 0
    for name in ("earlier", "earlier-2"):
        said = mpt("report", "--promotion", name, "--out", name, home=home)
        assert said.code == 0, said.err
        page = (tmp_path / name / "report.md").read_text(encoding="utf-8")
        assert "earlier: trial 2 on " in page


def test_its_study_is_shown_and_its_numbers_lead_back(tmp_path):
    home = left(tmp_path / "home", "ledger", "studies")
    assert "+7.69" in mpt("studies", "show", "earlier", home=home).out
    for digest in ("91ea35aec794", "c667ac3c0875", "281c98881fd9", "880cb32d91fd", "9e5bfa81311c"):
        shown = mpt("show", digest, home=home)
        assert (shown.code, "warning" in shown.err) == (0, False)
