"""The store of trials: totals, resumption, seeds by number, and the refusal of another study."""

from __future__ import annotations

import math
import sqlite3

import pytest

from mpt.errors import StoreError, UnknownName
from mpt.lab.home import Home
from mpt.lab.search import Search, Trial
from mpt.lab.studies_store import study_names
from mpt.lab.study_file import make_study

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
