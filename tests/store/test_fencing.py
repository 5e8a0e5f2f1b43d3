"""A driver that was suspended while another took its study over writes nothing more."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from mpt.errors import StoreError
from mpt.search.search import Search
from mpt.search.storage import study_lease
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import make_study

DEFINITION = {"method": "reptile"}
SPACE = {"outer_lr": {"low": 0.1, "high": 1.0}}
STUDY = make_study({"name": "s", "space": SPACE, "trials": 4, "round": 2})


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path)}).open()


@pytest.fixture(params=["sqlite", "postgres"])
def served(home, request):
    """The home, its ledger and studies in files, or in databases of a real server."""
    if request.param == "sqlite":
        return home
    server = request.getfixturevalue("postgres")
    server.make("ledger", "studies")
    return replace(home, ledger_url=server.url("ledger"), studies_url=server.url("studies"))


def run_out(home):
    """As if nobody had renewed the leases for two minutes."""
    for url in (home.ledger_url, home.studies_url):
        engine = sa.create_engine(url)
        with engine.begin() as db:
            db.execute(sa.text("UPDATE mpt_leases SET expires = 0"))
        engine.dispose()


def finish(search, study=STUDY):
    while asked := search.ask(study):
        for trial in asked:
            search.tell(trial, Trial(trial.number, {}, "complete", "d", 1.0, 0.0, 2.0))


ZOMBIE = """
import os, signal, sys
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.search.patient_storage import PatientStorage
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.search.storage import study_lease
from mpt.lab.sweep import _handed_back
from tests.store.test_fencing import DEFINITION, STUDY, finish

point, home = sys.argv[1], Home.find()
stops = 0

def stopping(owner, name, call):
    original = getattr(owner, name)
    def stopped(*args, **kwargs):
        global stops
        stops += 1
        if stops == call:
            print("here", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return original(*args, **kwargs)
    setattr(owner, name, stopped)

storage = PatientStorage
match point:
    case "ask":
        stopping(storage, "create_new_trial", 4)
    case "tell":
        stopping(storage, "set_trial_state_values", 4)
    case "attribute":
        stopping(storage, "set_trial_user_attr", 8)
with Ledger(home.ledger_url) as ledger, study_lease(home, ledger, "s") as lease:
    search = Search.begin(STUDY, DEFINITION, home)
    search.fence(lease)
    with _handed_back(search, lease):
        finish(search)
print("ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["ask", "tell", "attribute"])
def test_a_driver_resumed_in_mid_call_draws_and_tells_nothing(served, repository, point):
    home = served
    environment = {
        **os.environ,
        "MPT_HOME": str(home.root),
        "MPT_LEDGER_URL": home.ledger_url,
        "MPT_STUDIES_URL": home.studies_url,
        "PYTHONPATH": f"{repository}:tests",
    }
    zombie = subprocess.Popen(
        [sys.executable, "-c", ZOMBIE, point],
        env=environment,
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert zombie.stdout.readline() == "here\n", zombie.stderr.read()
        os.waitid(os.P_PID, zombie.pid, os.WSTOPPED | os.WNOWAIT)
        run_out(home)
        with Ledger(home.ledger_url) as ledger, study_lease(home, ledger, "s", print) as lease:
            search = Search.begin(STUDY, DEFINITION, home)
            search.fence(lease)
            finish(search)
            before = search.trials
            zombie.send_signal(signal.SIGCONT)
            out, err = zombie.communicate(timeout=60)
            assert zombie.returncode == 1
            assert "ended" not in out
            assert "study:s was taken over by another driver while this one did not" in err
            lease.check()
            assert Search.load(home, "s").trials == before
        assert [trial.state for trial in before] == ["complete"] * 4
    finally:
        zombie.kill()
        zombie.communicate()


def test_two_homes_that_share_the_store_do_not_run_one_study_twice(home, tmp_path):
    other = Home.find(
        {"MPT_HOME": str(tmp_path / "other"), "MPT_STUDIES_URL": home.studies_url}
    ).open()
    with Ledger(home.ledger_url) as first, Ledger(other.ledger_url) as second:
        with (
            study_lease(home, first, "s"),
            pytest.raises(StoreError, match=f"study:s is held by process {os.getpid()} on "),
            study_lease(other, second, "s"),
        ):
            pass
        with study_lease(other, second, "s"), study_lease(home, first, "another"):
            pass


def test_a_lease_of_an_older_version_in_the_ledger_counts(home):
    with (
        Ledger(home.ledger_url) as ledger,
        ledger.lease("study:s"),
        pytest.raises(StoreError, match=f"study:s is held by process {os.getpid()} on "),
        study_lease(home, ledger, "s"),
    ):
        pass


def test_optuna_reads_a_store_with_a_table_of_leases(home):
    import optuna

    with Ledger(home.ledger_url) as ledger, study_lease(home, ledger, "s") as lease:
        search = Search.begin(STUDY, DEFINITION, home)
        search.fence(lease)
        finish(search)
    found = optuna.load_study(study_name="s", storage=home.studies_url)
    assert len(found.trials) == 4
    with closing(sqlite3.connect(home.root / "studies.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_what_is_told_already_is_no_error_and_a_difference_is_said(home):
    search = Search.begin(STUDY, DEFINITION, home)
    (first, second) = search.ask(STUDY)
    result = Trial(0, {}, "complete", "d", 1.0, 0.0, 2.0)
    lost = Trial(1, {}, "diverged", "d", reason="diverged at step 3", step=3)
    for _ in range(2):
        assert search.tell(first, result) == ""
        assert search.tell(second, lost) == ""
    again = Search.load(home, "s")
    assert again.tell(first, Trial(0, {}, "complete", "d", 2.0, 0.0, 2.0)) == (
        "trial 0 is finished already: complete, ARG 1.0; that stays, not complete, ARG 2.0"
    )
    assert again.tell(second, result) == (
        "trial 1 is finished already: diverged; that stays, not complete, ARG 1.0"
    )
    assert [trial.arg for trial in again.trials] == [1.0, None]
