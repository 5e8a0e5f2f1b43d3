"""Numbers say what computed them, models whose they are, and a home is found where it was moved."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from terminal import mpt, study_file

from mpt.store.ledger import Ledger
from mpt.tracking.client import connect, disconnect

pytestmark = pytest.mark.slow

PROMOTE = ("promote", "best", "--settings", "cls-cls", "--top-k", "1")


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("provenance")
    study = study_file(folder / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=folder / "home").code == 0
    said = mpt(*PROMOTE, home=folder / "home")
    assert said.code == 0, said.err
    assert "Champion: models:/mpt-small@champion" in said.out
    return folder


def ask(file, query, *values):
    with closing(sqlite3.connect(file)) as database:
        found = database.execute(query, values).fetchall()
        database.commit()
        return found


def test_a_moved_home_is_found(promoted, tmp_path):
    """Moved, not copied: what would still be written to the old place shows."""
    old, new = tmp_path / "old", tmp_path / "new place"
    shutil.copytree(promoted / "home", old)
    assert mpt("registry", "list", home=old).code == 0
    old.rename(new)
    said = mpt("predict", "mpt-small", "it was good", home=new)
    assert said.code == 0, said.err
    assert mpt(*PROMOTE, home=new).code == 0
    assert mpt("sync", "--rebuild", home=new).code == 0
    assert not old.exists()
    stored = ask(new / "mlflow.db", "SELECT artifact_uri FROM runs")
    assert stored
    assert {uri.startswith((new / "artifacts").as_uri() + "/") for (uri,) in stored} == {True}
    client = connect(f"sqlite:///{new / 'mlflow.db'}")
    (run,) = client.search_runs(["1"], "tags.mpt.kind = 'sweep' and run_name = 'trial-0'")
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    disconnect(client)
    assert {"config.yaml", "cells.csv", "prompt.safetensors"} <= names


def test_a_namesake_of_another_home_takes_nothing_over(promoted, tmp_path):
    """Two homes that share a tracking store: each has its own champion."""
    shared = tmp_path / "shared"
    shutil.copytree(promoted / "home", shared)
    uri = f"sqlite:///{shared / 'mlflow.db'}"
    study = study_file(tmp_path / "other.yaml", {"trials": 1, "seed": 7})
    home = tmp_path / "home"
    told = {"home": home, "MPT_TRACKING_URI": uri}
    assert mpt("sweep", "--study", study, **told).code == 0
    said = mpt(*PROMOTE, **told)
    assert said.code == 0, said.err
    (identity,) = ask(
        home / "studies.db", "SELECT value_json FROM study_user_attributes WHERE key = 'mpt.id'"
    )[0]
    own = f"mpt-small-{json.loads(identity)}"
    assert f"warning: the model mpt-small belongs to another study; this one's is {own}" in said.err
    assert f"Champion: models:/{own}@champion" in said.out
    listed = json.loads(mpt("registry", "list", "--json", **told).out)["versions"]
    assert [(one["model"], one["number"]) for one in listed] == [("mpt-small", 1), (own, 1)]
    assert mpt(*PROMOTE, **told).code == 0
    assert len(json.loads(mpt("registry", "list", "--json", **told).out)["versions"]) == 2
    assert mpt("predict", own, "it was good", **told).code == 0
    # one without a mark is the study's whose run made it
    ask(shared / "mlflow.db", "DELETE FROM registered_model_tags")
    assert own in mpt(*PROMOTE, **told).out
    said = mpt(*PROMOTE, home=shared)
    assert "Champion: models:/mpt-small@champion" in said.out
    tags = ask(shared / "mlflow.db", "SELECT name, key FROM registered_model_tags ORDER BY name")
    assert tags == [("mpt-small", "mpt.study_id"), (own, "mpt.study_id")]


def test_a_report_states_what_computed_the_units(promoted, tmp_path):
    home = shutil.copytree(promoted / "home", tmp_path / "home")
    report = ("report", "--promotion", "small", "--out", str(tmp_path / "report"))
    said = mpt(*report, home=home)
    assert said.code == 0, said.err
    assert "versions of the software" not in said.err
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        (unit,) = (u for u in ledger.units("meta") if len(u.config.sources) > 2)
    result = {
        **unit.result.stored(),
        "software": {"mpt": "0.0.7", "torch": "1.13", "commit": "c" * 40},
    }
    ask(
        home / "ledger.db",
        "UPDATE mpt_units SET result = ? WHERE digest = ?",
        json.dumps(result),
        unit.digest,
    )
    said = mpt(*report, home=home)
    assert said.code == 0, said.err
    line = "1 unit by mpt 0.0.7, torch 1.13, commit cccccccccccc"
    assert "warning: the units were computed by 2 versions of the software" in said.err
    assert line in said.err
    page = (tmp_path / "report" / "report.md").read_text()
    assert line in page
    assert "page written by: mpt " in page
    assert mpt(*PROMOTE, home=home).code == 0
    tags = ask(home / "mlflow.db", "SELECT value FROM tags WHERE key = 'mpt.version'")
    assert ("0.0.7",) in tags
