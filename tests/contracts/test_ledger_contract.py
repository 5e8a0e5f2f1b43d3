"""What every database must do for the ledger: SQLite, and PostgreSQL where it is installed."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa

from mpt.config import VOCABULARY, BackboneConfig, CellConfig, Tuning
from mpt.errors import StoreError
from mpt.store import database, tables
from mpt.store.lease import Holder
from mpt.store.ledger import Ledger
from mpt.store.results import DivergedResult, FailedResult, read_result
from mpt.store.tables import SCHEMA, insert
from mpt.store.unit import DamagedConfig, Unit

CELL = CellConfig(
    backbone=BackboneConfig(),
    weights="w",
    task="boolq",
    data_seed=13,
    data="d",
    start=VOCABULARY,
    lr=0.3,
    tuning=Tuning(),
)
UNIT = Unit(
    digest=CELL.digest,
    kind="cell",
    config=CELL,
    state="done",
    result=read_result(
        "cell",
        "done",
        {
            "dev": 0.5,
            "test": 0.25,
            "best_step": 2,
            "looks": [[1, 0.25], [2, 0.5]],
            "curve": [1.0, 0.5],
            "text": "é\x00\n",
        },
    ),
    artefact=f"prompts/{CELL.digest}.safetensors",
    seconds=1.25,
    created=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
)
FAILED = replace(UNIT, state="failed", result=FailedResult(reason="out of memory"), artefact=None)
DIVERGED = replace(UNIT, state="diverged", result=DivergedResult(reason="NaN", step=2))


OLD = Path(__file__).resolve().parent.parent / "fixtures" / "ledger-v1.db"
"""Written by mpt 0.1.0: a finished unit, a failed one and a link."""
OLD_UNIT = replace(
    UNIT,
    digest="0123456789ab",
    config=DamagedConfig({"task": "boolq", "lr": 0.3, "seeds": [1, 2]}),
    result=read_result(
        "cell", "done", {"dev": 0.5, "curve": [1.0, float("inf")], "text": "é\x00\n"}
    ),
    artefact="prompts/0123456789ab.safetensors",
)
"""The finished one: what no computation gives is kept as it was read."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server = request.getfixturevalue("postgres")
    server.make("ledger")
    return server.url("ledger")


@pytest.fixture
def ledger(url):
    with Ledger(url) as opened:
        yield opened


def test_a_unit_comes_back_as_it_was(ledger):
    assert ledger.get(UNIT.digest) is None
    assert ledger.record(UNIT) is True
    assert ledger.get(UNIT.digest) == UNIT


def test_what_was_recorded_is_there_for_the_next_process(url):
    with Ledger(url) as first:
        first.record(UNIT)
    with Ledger(url) as second:
        assert second.get(UNIT.digest) == UNIT


@pytest.mark.parametrize("unit", [UNIT, DIVERGED], ids=["done", "diverged"])
def test_a_result_is_never_rewritten(ledger, unit):
    ledger.record(unit)
    another = UNIT.result.model_copy(update={"dev": 0.9})
    assert ledger.record(replace(UNIT, result=another)) is False
    assert ledger.record(FAILED) is False
    assert ledger.get(UNIT.digest) == unit


def test_a_failed_unit_may_be_tried_again(ledger):
    assert ledger.record(FAILED)
    assert ledger.get(UNIT.digest) == FAILED
    assert ledger.record(FAILED)
    assert ledger.record(UNIT)
    assert ledger.get(UNIT.digest) == UNIT
    assert list(ledger.units()) == [UNIT]


def test_times_are_utc_whatever_zone_they_came_in(ledger):
    zoned = UNIT.created.astimezone(timezone(timedelta(hours=-7)))
    ledger.record(replace(UNIT, created=zoned))
    found = ledger.get(UNIT.digest)
    assert found.created == UNIT.created
    assert found.created.utcoffset() == timedelta(0)


def test_many_units_are_found_at_once(ledger):
    digests = [f"{n:012x}" for n in range(1300)]
    for n, digest in enumerate(digests[::10]):
        kind = "meta" if n % 2 else "cell"
        later = UNIT.created - timedelta(seconds=n)
        ledger.record(replace(UNIT, digest=digest, kind=kind, created=later))
    assert sorted(ledger.get_many(digests)) == digests[::10]
    assert ledger.get_many([]) == {}
    assert [unit.digest for unit in ledger.units()] == digests[::10][::-1]
    assert {unit.kind for unit in ledger.units(kind="meta")} == {"meta"}
    assert list(ledger.units(state="failed")) == []


def test_a_forgotten_unit_is_computed_again(ledger):
    ledger.record(FAILED)
    ledger.record(UNIT)
    assert ledger.forget(UNIT.digest) is True
    assert ledger.get(UNIT.digest) is None
    assert ledger.forget(UNIT.digest) is False
    assert ledger.record(UNIT) is True


def test_units_are_recorded_together_or_not_at_all(ledger, monkeypatch):
    pack = [replace(UNIT, digest=f"{n:012x}") for n in range(3)]
    calls = []

    def failing(db, table, rows):
        calls.append(rows)
        if len(calls) == 3:
            raise OSError("the process ends here")
        return insert(db, table, rows)

    monkeypatch.setattr("mpt.store.ledger.insert", failing)
    with pytest.raises(OSError, match="ends here"):
        ledger.record(*pack)
    assert ledger.get_many(unit.digest for unit in pack) == {}
    assert ledger.record(*pack)
    assert ledger.get_many(unit.digest for unit in pack).keys() == {unit.digest for unit in pack}
    more = [pack[1], replace(UNIT, digest="f" * 12)]
    assert ledger.record(*more) is False, "one of them was there"
    assert ledger.get("f" * 12) is not None


def test_links_lead_from_a_number_to_its_units_once(ledger):
    role = {"trial": 3, "method": "maml"}
    for _ in range(2):
        ledger.link("study:a", role, ["aa", "bb", "aa"])
    ledger.link("study:a", {"method": "maml", "trial": 3}, ["cc"])
    ledger.link("study:b", role, ["aa"])
    assert ledger.linked("study:a") == [(role, "aa"), (role, "bb"), (role, "cc")]
    assert ledger.linked("study:c") == []


def test_one_of_many_recorders_wins(url):
    with Ledger(url) as first, Ledger(url) as second:
        first.record(FAILED)
        won: list[bool] = []

        def race(ledger: Ledger, n: int) -> None:
            won.append(
                ledger.record(replace(UNIT, result=UNIT.result.model_copy(update={"best_step": n})))
            )

        threads = [
            Thread(target=race, args=(ledger, n)) for n in range(4) for ledger in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == [False] * 7 + [True]


OPENER = """
import sys
from mpt.store.ledger import Ledger
from mpt.errors import StoreError
with Ledger(sys.argv[1]) as ledger:
    try:
        lease = ledger.lease("study:x")
    except StoreError as error:
        print("told", error)
    else:
        with lease:
            print("runs", flush=True)
            sys.stdin.read()
"""


def test_of_four_drivers_started_at_once_one_runs(url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    drivers = [subprocess.Popen([sys.executable, "-c", OPENER, url], **pipes) for _ in range(4)]
    said = [driver.stdout.readline() for driver in drivers]
    for driver in drivers:
        driver.communicate()
    assert sorted(line.split()[0] for line in said) == ["runs", "told", "told", "told"]
    (runs,) = [driver.pid for driver, line in zip(drivers, said, strict=True) if "runs" in line]
    assert all(f"held by process {runs} on " in line for line in said if line.startswith("told"))


def test_a_killed_driver_is_replaced_at_once(ledger, url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OPENER, url], **pipes) as driver:
        assert driver.stdout.readline() == "runs\n"
        with pytest.raises(StoreError, match=f"held by process {driver.pid} on .* since 20.* UTC"):
            ledger.lease("study:x")
        driver.kill()
        # not waited for: a zombie is dead too
        deadline = time.monotonic() + 10
        while not replace(Holder.me(), pid=driver.pid, begun="").is_dead:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with ledger.lease("study:x"):
            pass


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_told(ledger):
    elsewhere = Holder("far", 1, "another machine")
    mine = ledger.lease("study:x", elsewhere, seconds=0.4)
    with pytest.raises(StoreError, match="process 1 on far"):
        ledger.lease("study:x", seconds=5)
    time.sleep(0.5)
    with ledger.lease("study:x", seconds=5) as theirs:
        assert mine.renew() is False
        with pytest.raises(StoreError, match="taken over by another driver"):
            mine.check()
        theirs.check()
        with mine:
            pass
        assert theirs.renew(), "who lost a lease does not release the next holder's"


def test_a_held_lease_renews_itself(ledger):
    with ledger.lease("study:x", Holder("far", 1, "another machine"), seconds=0.4):
        time.sleep(1.0)
        with pytest.raises(StoreError):
            ledger.lease("study:x")
    with ledger.lease("study:x"):
        pass


def test_a_dead_holder_s_lease_is_waited_for_and_said_once(ledger):
    ledger.lease("study:x", Holder("far", 7, "another machine"), seconds=1.5)
    said = []
    with ledger.lease("study:x", seconds=30, wait=said.append) as mine:
        mine.check()
    assert said == [
        "study:x is held by process 7 on far, which does not run here and may be dead; waiting for "
        "its lease to expire, 2 s at most"
    ]


def test_a_holder_elsewhere_that_renews_its_lease_is_not_waited_for(ledger):
    said = []
    with (
        ledger.lease("study:x", Holder("far", 7, "another machine"), seconds=1.0),
        pytest.raises(StoreError, match="study:x is held by process 7 on far since"),
    ):
        ledger.lease("study:x", seconds=10, wait=said.append)
    assert len(said) == 1


def test_a_clock_that_was_set_back_keeps_no_dead_holder_alive(ledger):
    ledger.lease("study:x", Holder("far", 7, "another machine"), seconds=7200)
    said = []
    began = time.monotonic()
    with ledger.lease("study:x", seconds=1.0, wait=said.append):
        assert 1.0 <= time.monotonic() - began < 10
    assert said[0].endswith("1 s at most")


def test_a_clock_that_was_set_forward_takes_nothing_from_who_runs(ledger, url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OPENER, url], **pipes) as driver:
        assert driver.stdout.readline() == "runs\n"
        with ledger._database._engine.begin() as db:
            db.execute(sa.update(tables.LEASES).values(expires=0.0))
        with pytest.raises(StoreError, match=f"held by process {driver.pid} on "):
            ledger.lease("study:x", wait=print)
        driver.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{driver.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        with ledger.lease("study:x", wait=print):
            pass
        driver.kill()


def test_a_machine_is_known_by_its_boot_and_processes_whatever_its_name():
    me = Holder.me()
    _, boot, space = me.machine.split()
    renamed = replace(me, host="renamed", machine=f"renamed {boot} {space}")
    assert renamed.is_alive
    assert not renamed.is_dead
    assert replace(renamed, begun="1").is_dead
    # a container of the same name on another machine, or another container on this one
    for machine in (f"{me.host} other-boot {space}", f"{me.host} {boot} pid:[1]"):
        other = replace(me, machine=machine, begun="1")
        assert not other.is_dead
        assert not other.is_alive


def test_a_ledger_of_a_newer_schema_is_refused(url):
    Ledger(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.execute(sa.text(f"UPDATE mpt_schema SET version = {SCHEMA + 1}"))
    engine.dispose()
    with pytest.raises(StoreError, match=rf"schema {SCHEMA + 1}, this mpt reads schema {SCHEMA}; "):
        Ledger(url)


def test_a_ledger_of_the_first_version_is_read_and_continued(tmp_path):
    shutil.copy(OLD, tmp_path / "old.db")
    with Ledger(f"sqlite:///{tmp_path / 'old.db'}") as ledger:
        assert [unit.digest for unit in ledger.units()] == [OLD_UNIT.digest, "ba9876543210"]
        assert ledger.get(OLD_UNIT.digest) == OLD_UNIT
        assert ledger.get("ba9876543210").state == "failed"
        assert ledger.linked("study:old") == [({"trial": 1}, OLD_UNIT.digest)]
        assert ledger.record(OLD_UNIT) is False
        assert ledger.record(replace(OLD_UNIT, digest="ba9876543210"))
        with ledger.lease("study:old"):
            pass


def schema(url: str) -> tuple[int, set[str]]:
    """The version a ledger says it has, and the columns of its units."""
    engine = sa.create_engine(url)
    with engine.connect() as db:
        version = db.execute(sa.text("SELECT version FROM mpt_schema")).scalar_one()
        columns = {column["name"] for column in sa.inspect(db).get_columns("mpt_units")}
    engine.dispose()
    return version, columns


def test_every_older_version_has_its_migration():
    assert sorted(tables.MIGRATIONS) == list(range(1, SCHEMA))


def test_an_older_ledger_is_migrated_once_step_by_step(ledger, url, monkeypatch):
    ledger.record(UNIT)
    steps = {
        SCHEMA: ["ALTER TABLE mpt_units ADD COLUMN host TEXT"],
        SCHEMA + 1: ["ALTER TABLE mpt_units RENAME COLUMN host TO place"],
    }
    monkeypatch.setattr(tables, "MIGRATIONS", {**tables.MIGRATIONS, **steps})
    monkeypatch.setattr(tables, "SCHEMA", SCHEMA + 2)
    for _ in range(2):
        Ledger(url).close()
        version, columns = schema(url)
        assert version == SCHEMA + 2
        assert "place" in columns


def test_a_migration_that_fails_changes_nothing(ledger, url, monkeypatch):
    steps = {SCHEMA: ["ALTER TABLE mpt_units ADD COLUMN host TEXT", "SELECT * FROM nowhere"]}
    monkeypatch.setattr(tables, "MIGRATIONS", {**tables.MIGRATIONS, **steps})
    monkeypatch.setattr(tables, "SCHEMA", SCHEMA + 1)
    monkeypatch.setattr("mpt.store.ledger.OPENING", 0.2)
    with pytest.raises(StoreError, match="nowhere"):
        Ledger(url)
    version, columns = schema(url)
    assert version == SCHEMA
    assert "host" not in columns


@pytest.mark.parametrize(("table", "owner"), [("trials", "Optuna"), ("runs", "MLflow")])
def test_the_database_of_another_tool_is_refused(tmp_path, table, owner):
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute(f"CREATE TABLE {table} (id INTEGER)")
    db.close()
    with pytest.raises(StoreError, match=f"holds the tables of {owner}, .* MPT_LEDGER_URL"):
        Ledger(f"sqlite:///{tmp_path / 'x.db'}")


REFUSED = [
    ("nonsense", "'nonsense' is not a database URL; the ledger takes sqlite:///PATH or"),
    ("mysql://u:s3cret@h/d", r"cannot be kept in 'mysql://u:\*\*\*@h/d'; it takes"),
    ("sqlite://", "cannot be kept in 'sqlite://'"),
    ("sqlite:////nowhere/at/all.db", "unable to open database file.*its folder must exist"),
    (
        "postgresql://u:s3cret@127.0.0.1:9/d",
        r"ledger postgresql://u:\*\*\*@127.0.0.1:9/d cannot be used .*see that the server runs",
    ),
]


@pytest.mark.parametrize(("url", "wording"), REFUSED)
def test_an_unusable_url_says_what_to_do(url, wording, monkeypatch):
    monkeypatch.setattr("mpt.store.ledger.OPENING", 0.2)
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="needs pip install 'mpt[postgres]'")
    with pytest.raises(StoreError, match=wording) as caught:
        Ledger(url)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_database_says_what_to_do(tmp_path):
    (tmp_path / "x.db").write_text("x" * 5000)
    with pytest.raises(StoreError, match=r"file is not a database\); .* MPT_LEDGER_URL at another"):
        Ledger(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_locked_database_is_waited_for(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    with Ledger(url) as ledger:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert ledger.get(UNIT.digest) is None, "readers do not wait for a writer"
        with pytest.raises(StoreError, match=r"database is locked.*close that"):
            ledger._database.do(lambda db: db.execute(sa.text("DELETE FROM mpt_units")), 0.1)
        other.execute("ROLLBACK")
        assert ledger.record(UNIT)
        other.close()
