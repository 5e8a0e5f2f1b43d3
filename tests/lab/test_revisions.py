"""A mended formula: old results of its method are computed again, on the same rows, said once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from terminal import mpt, study_file

from mpt import methods
from mpt.config import RunConfig
from mpt.methods import METHODS
from mpt.methods.inner import MetaGradient, adapt
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.store.home import Home
from mpt.store.ledger import Ledger

AGAIN = (
    "earlier reptile runs in the ledger are computed again: its direction was a "
    "difference of prompts, which float32 rounds, and is now exact"
)


def by_difference(phi, support, query, loss, alpha):
    adapted, _, losses = adapt(phi, support, loss, alpha)
    return MetaGradient((phi - adapted).detach() / alpha, losses)


@pytest.fixture
def as_before(monkeypatch):
    """Calls what it is given with Reptile as it was at first."""

    def call(*words, home):
        old = replace(METHODS["reptile"], equation=by_difference, revision=None)
        with monkeypatch.context() as patch:
            patch.setattr(methods, "METHODS", {**METHODS, "reptile": old})
            return mpt(*words, home=home)

    return call


@pytest.fixture
def study(tmp_path):
    """A study of one short trial and one long one, at a rate whose steps float32 rounds."""
    inner = {"steps": 2, "batch": 2, "lr": 1e-6}
    changes = {"method": "reptile", "inner": inner, "trials": 2, "outer": {"steps": 3}}
    return study_file(tmp_path / "study.yaml", changes)


def home_of(folder) -> Home:
    return Home.find({"MPT_HOME": str(folder)})


def units(folder) -> dict[str, tuple[str, object]]:
    """Kind and revision by digest."""
    with Ledger(home_of(folder).ledger_url) as ledger:
        return {
            unit.digest: (unit.kind, getattr(unit.config, "revision", None))
            for unit in ledger.units()
        }


def trials(folder, name="small"):
    return [(t.digest, t.params, t.arg) for t in Search.load(home_of(folder), name).trials]


@pytest.mark.slow
def test_a_study_of_the_first_formula_begins_anew_and_ends_as_a_fresh_one(
    as_before, study, tmp_path
):
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    assert as_before("sweep", "--study", study, home=old).code == 0
    before, first = units(old), trials(old)
    assert {revision for _, revision in before.values()} == {None}
    again = mpt("sweep", "--study", study, home=old)
    assert again.code == 0, again.err
    assert again.err.count(AGAIN) == 1
    (kept,) = set(study_names(home_of(old))) - {"small"}
    assert (
        "study small starts again; its trials with the earlier formula of reptile are kept as "
        f"{kept}"
    ) in again.err
    assert trials(old, kept) == first
    assert mpt("sweep", "--study", study, home=fresh).code == 0
    assert trials(old) == trials(fresh)
    assert [digest for digest, *_ in trials(old)] != [digest for digest, *_ in first]
    assert before.items() <= units(old).items(), "nothing of the ledger is lost"
    plain = {digest for digest, (kind, _) in before.items() if kind == "cell"}
    assert plain & units(fresh).keys(), "plain prompt tuning was not computed again"
    once = mpt("sweep", "--study", study, home=old)
    assert once.code == 0
    assert AGAIN not in once.err
    assert "starts again" not in once.err


@pytest.mark.slow
def test_a_trial_of_the_first_formula_is_promoted_by_the_present_one(as_before, study, tmp_path):
    home = tmp_path / "home"
    assert as_before("sweep", "--study", study, home=home).code == 0
    asked = ("promote", "best", "--top-k", "2")
    planned = mpt(*asked, "--dry-run", home=home)
    assert planned.code == 0, planned.err
    before = units(home)
    said = mpt(*asked, home=home)
    assert said.code == 0, said.err
    assert said.err.count(AGAIN) == 1
    made = [u for digest, u in units(home).items() if digest not in before]
    assert {revision for kind, revision in made if kind == "meta"} == {2}
    assert sum(kind == "meta" for kind, _ in made) == 3, "two are tested again, one is promoted"
    shown = mpt("report", "--promotion", "small", "--out", tmp_path / "report", home=home)
    assert shown.code == 0, shown.err


@pytest.mark.slow
def test_what_was_computed_by_the_first_formula_is_told_again_as_it_was(as_before, study, tmp_path):
    home = tmp_path / "home"
    assert as_before("sweep", "--study", study, home=home).code == 0
    before = units(home)
    said = mpt("sync", "--rebuild", home=home)
    assert said.code == 0, said.err
    assert "small: 2 trials logged again" in said.out
    assert units(home) == before


def test_a_run_on_its_own_is_computed_again_too(as_before, study, tmp_path):
    home = tmp_path / "home"
    assert as_before("run", "--study", study, home=home).code == 0
    again = mpt("run", "--study", study, home=home)
    assert again.code == 0, again.err
    assert again.err.count(AGAIN) == 1
    assert sorted(units(home).values(), key=str) == [("meta", 2), ("meta", None)]
    assert AGAIN not in mpt("run", "--study", study, home=home).err


def test_the_formula_changes_the_digest_and_nothing_that_is_drawn(study):
    from mpt.study.study_file import resolve

    chosen = resolve(study, {})
    run = chosen.run({}, sources=("a", "b"), weights="w", data="d")
    first = RunConfig(**{**run.model_dump(), "revision": None})
    assert (run.revision, first.digest) == (2, run.root)
    assert first.root == first.digest != run.digest
    assert "revision" not in first.model_dump(exclude_none=True)
    other = chosen.model_copy(update={"method": "fomaml"})
    assert other.run({}, sources=("a", "b"), weights="w", data="d").revision is None
