"""The store of trials: totals, resumption, seeds by number, and the refusal of another study."""

from __future__ import annotations

import math
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mpt.errors import StoreError, UnknownName
from mpt.search.search import Search
from mpt.search.storage import TABLES, study_names
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.study.study_file import make_study

VERSIONS = """CREATE TABLE version_info (version_info_id INTEGER NOT NULL,
    schema_version INTEGER, library_version VARCHAR(256), PRIMARY KEY (version_info_id),
    CHECK (version_info_id = 1))"""
DEFINITION = {"method": "reptile", "space": {"outer_lr": {"low": 0.1, "high": 1.0}}}


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path)}).open()


def study(**changes):
    space = {"outer_lr": {"low": 0.1, "high": 1.0}, "outer_steps": [10, 20]}
    return make_study({"name": "s", "space": space, "trials": 6, "round": 2, **changes})


def finish(search, asked, value=None):
    for trial in asked:
        arg = -abs(math.log(trial.params["outer_lr"] / 0.3)) if value is None else value
        search.tell(trial, Trial(trial.number, {}, "complete", "d", arg, arg - 1, arg + 1))


def test_the_total_is_the_study_s_however_often_it_is_resumed(home):
    for _ in range(2):
        search = Search.begin(study(), DEFINITION, home)
        while asked := search.ask(study()):
            assert len(asked) <= 2
            finish(search, asked)
    assert [trial.number for trial in search.trials] == list(range(6))
    longer = Search.begin(study(trials=7), DEFINITION, home)
    assert len(longer.ask(study(trials=7))) == 1


def test_a_dead_driver_s_trials_come_back_first_with_their_parameters(home):
    search = Search.begin(study(), DEFINITION, home)
    lost = [dict(trial.params) for trial in search.ask(study())]
    again = Search.begin(study(), DEFINITION, home)
    asked = again.ask(study())
    assert [dict(trial.params) for trial in asked] == lost
    assert [trial.number for trial in asked] == [0, 1]
    finish(again, asked)
    assert [trial.state for trial in again.trials] == ["complete", "complete"]


def test_a_trial_that_died_between_two_parameters_is_completed(home):
    half = study(space={"outer_lr": {"low": 0.1, "high": 1.0}})
    (first, _) = Search.begin(half, DEFINITION, home).ask(half)
    assert set(first.params) == {"outer_lr"}
    asked = Search.begin(study(), DEFINITION, home).ask(study())
    assert set(asked[0].params) == {"outer_lr", "outer_steps"}
    assert asked[0].params["outer_lr"] == first.params["outer_lr"]


def test_another_definition_is_explained_as_a_difference(home):
    Search.begin(study(), DEFINITION, home)
    other = {"method": "maml", "space": {"outer_lr": {"low": 0.2, "high": 1.0}}}
    with pytest.raises(StoreError) as caught:
        Search.begin(study(), other, home)
    message = str(caught.value)
    assert "method was reptile, is maml" in message
    assert "space.outer_lr.low was 0.1, is 0.2" in message
    assert "--name" in message


def test_a_study_that_mpt_did_not_make_is_left_alone(home):
    import optuna

    foreign = optuna.create_study(storage=home.studies_url, study_name="s")
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StoreError, match="a study 's' that mpt did not make"):
        Search.begin(study(), DEFINITION, home)
    assert study_names(home) == []


def test_a_diverged_trial_is_kept_with_its_reason(home):
    search = Search.begin(study(), DEFINITION, home)
    (first, second) = search.ask(study())
    search.tell(first, Trial(0, {}, "diverged", "d", reason="diverged at step 3"))
    finish(search, [second], 4.0)
    assert [(t.state, t.arg, t.reason) for t in search.trials] == [
        ("diverged", None, "diverged at step 3"),
        ("complete", 4.0, ""),
    ]
    assert (search.trials[1].low, search.trials[1].high) == (3.0, 5.0)


def test_the_study_is_read_back_as_it_was_run(home):
    Search.begin(study(trials=9), DEFINITION, home)
    assert Search.load(home, "s").study == study(trials=9)
    with pytest.raises(UnknownName, match="unknown study 'mini-reptil'"):
        Search.load(home, "mini-reptil")


def test_a_file_that_is_no_database_is_named(home, tmp_path):
    (tmp_path / "studies.db").write_text("this is a text file, long enough to be looked at " * 50)
    with pytest.raises(
        StoreError, match=r"studies store .*not a database.*MPT_STUDIES_URL at another"
    ):
        Search.begin(study(), DEFINITION, home)


def test_a_database_of_another_tool_is_refused(home, tmp_path):
    with sqlite3.connect(tmp_path / "studies.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('not-optuna')")
    database.close()
    before = (tmp_path / "studies.db").read_bytes()
    with pytest.raises(StoreError, match="shared with neither MLflow nor the ledger"):
        Search.begin(study(), DEFINITION, home)
    assert (tmp_path / "studies.db").read_bytes() == before, "no table was put beside the other's"


def test_a_study_older_than_a_key_goes_on_with_the_key_s_default(home):
    whole = study().definition
    before = {key: value for key, value in whole.items() if key not in ("round", "pruner")}
    Search.begin(study(), before, home)
    plain = study(round=4)
    Search.check(plain, plain.definition, home)
    with pytest.raises(StoreError, match="begun with another definition: round was 4, is 2"):
        Search.check(study(), whole, home)


def tables_of(file):
    with closing(sqlite3.connect(file)) as database:
        return [name for (name,) in database.execute("SELECT name FROM sqlite_master")]


@pytest.mark.parametrize("left", ["nothing", "a table", "no version", "all but a row"])
def test_a_store_that_was_left_half_made_is_made_whole(home, left):
    """As drivers of older versions left one that were killed while Optuna made it."""
    file = home.root / "studies.db"
    if left in ("nothing", "a table"):
        with closing(sqlite3.connect(file)) as database:
            if left == "a table":
                database.execute(VERSIONS)
        file.touch()
    else:
        Search.begin(study(), DEFINITION, Home.find({"MPT_HOME": str(home.root)}))
        with closing(sqlite3.connect(file)) as database:
            for name in ("studies", "study_user_attributes", "study_directions", "version_info"):
                database.execute(f"DELETE FROM {name}")
            if left == "no version":
                database.execute("DROP TABLE alembic_version")
            else:
                database.execute("DELETE FROM alembic_version")
            database.commit()
    assert study_names(home) == []
    Search.check(study(), DEFINITION, home)
    search = Search.begin(study(), DEFINITION, home)
    finish(search, search.ask(study()))
    assert study_names(home) == ["s"]
    assert len(search.trials) == 2


def test_a_store_is_put_in_its_place_whole(home, monkeypatch):
    seen = []
    link = os.link

    def watched(new, file):
        seen.append((tables_of(new), file.exists()))
        link(new, file)

    monkeypatch.setattr("os.link", watched)
    Search.begin(study(), DEFINITION, home)
    ((tables, was_there),) = seen
    assert {"studies", "trials", "alembic_version"} <= {*tables}
    assert not was_there
    assert not [file for file in home.root.iterdir() if file.name.startswith(".studies")]


def test_drivers_that_make_a_store_at_once_all_succeed(home):
    with ThreadPoolExecutor(4) as pool:
        studies = [study(name=f"s{letter}") for letter in "abcd"]
        begun = list(pool.map(lambda one: Search.begin(one, DEFINITION, home), studies))
    assert len({search.identity for search in begun}) == 4
    assert sorted(study_names(home)) == ["sa", "sb", "sc", "sd"]


def test_a_damaged_store_is_one_line_and_its_cure_helps(home):
    Search.begin(study(), DEFINITION, home)
    file = home.root / "studies.db"
    data = bytearray(file.read_bytes())
    # the pages behind the first, which holds the tables' definitions
    data[4096:] = b"\xff" * len(data[4096:])
    file.write_bytes(data)
    for look in (study_names, lambda home: Search.begin(study(), DEFINITION, home)):
        with pytest.raises(StoreError, match=r"malformed.*restore a copy, or move it away"):
            look(home)
    file.unlink()
    assert Search.begin(study(), DEFINITION, home).ask(study())


def test_the_tables_that_are_known_as_optuna_s_are_those_it_makes(home):
    Search.begin(study(), DEFINITION, home)
    with closing(sqlite3.connect(home.root / "studies.db")) as db:
        made = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    assert made == TABLES | {"alembic_version"}
