"""Looking at a home that has grown: what is read does not grow with it."""

from __future__ import annotations

import math
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from mpt.errors import InputError, UnknownName
from mpt.report.views import best_trial
from mpt.search.search import Search
from mpt.search.storage import study_names
from mpt.search.study_list import Overview, all_trials, overviews
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.store.results import MetaResult
from mpt.store.unit import DamagedConfig, Unit
from mpt.study.study_file import make_study
from mpt.tracking.client import connect, disconnect
from mpt.tracking.provenance import NEAR, SHOWN, find_digest, find_unit, origin

pytestmark = pytest.mark.slow


@contextmanager
def counted():
    """Statements that are run, and rows that are fetched, by SQLAlchemy."""
    seen = {"statements": 0, "rows": 0}

    def run(connection, cursor, statement, parameters, context, many):
        seen["statements"] += 1

    sa.event.listen(sa.Engine, "before_cursor_execute", run)
    originals = {}
    for name in ("_fetchall_impl", "_fetchone_impl", "_fetchmany_impl"):
        originals[name] = getattr(sa.CursorResult, name)

        def fetched(self, *args, _name=name, **ways):
            found = originals[_name](self, *args, **ways)
            seen["rows"] += len(found) if isinstance(found, list) else found is not None
            return found

        setattr(sa.CursorResult, name, fetched)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", run)
        for name, original in originals.items():
            setattr(sa.CursorResult, name, original)


def unit(number: int) -> Unit:
    digest = f"{number * 2654435761 % 2**48:012x}"
    return Unit(
        digest,
        "cell",
        DamagedConfig({}),
        "done",
        MetaResult(curve=()),
        None,
        0.5,
        datetime.now(UTC),
    )


def ledger_of(folder, count: int) -> Ledger:
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.record(*map(unit, range(count)))
    return ledger


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory):
    made = [ledger_of(tmp_path_factory.mktemp("ledger"), count) for count in (40, 400)]
    yield made
    for ledger in made:
        ledger.close()


def test_a_unit_is_found_by_its_first_digits_however_many_there_are(ledgers):
    effort = []
    for ledger in ledgers:
        digest = unit(7).digest
        with counted() as seen:
            assert find_digest(ledger, digest[:10]) == digest
            assert find_digest(ledger, digest.upper()[:10]) == digest
        effort.append(dict(seen))
    assert effort[0] == effort[1]
    assert 0 < effort[0]["rows"] <= 2


def test_what_is_not_found_is_told_with_as_little_effort(ledgers):
    effort = []
    for ledger, size in zip(ledgers, (40, 400), strict=True):
        wrong = f"{unit(7).digest[:-1]}x"
        with counted() as seen, pytest.raises(UnknownName) as unknown:
            find_digest(ledger, wrong)
        assert f"did you mean '{unit(7).digest}'?" in str(unknown.value)
        assert f"{size} are known" in str(unknown.value)
        effort.append(dict(seen))
    assert effort[0] == effort[1]
    assert effort[0]["rows"] <= NEAR + 2


def test_of_many_that_begin_alike_a_few_are_named(ledgers):
    _, ledger = ledgers
    first = max("0123456789abcdef", key=lambda digit: len(ledger.digests(digit)))
    with counted() as seen, pytest.raises(InputError) as unclear:
        find_digest(ledger, first)
    assert str(unclear.value).startswith(f"more than {SHOWN} digests begin with '{first}' (")
    assert str(unclear.value).count(", ") == SHOWN
    assert seen["rows"] <= SHOWN + 2


def test_a_digest_that_begins_another_is_found_as_it_is(tmp_path):
    with ledger_of(tmp_path, 3) as ledger:
        short = replace(unit(1), digest=unit(1).digest[:8])
        ledger.record(short)
        assert find_unit(ledger, short.digest).digest == short.digest
        with pytest.raises(UnknownName, match=r"Known: .*, .*, "):
            find_digest(ledger, "")


@pytest.mark.parametrize("words", [("show", unit(1).digest[:6]), ("sync",), ("studies", "list")])
def test_looking_imports_nothing_that_takes_seconds(tmp_path, words):
    ledger_of(tmp_path, 3).close()
    script = f"""
import sys
sys.argv = {["mpt", *words]}
from mpt.commands.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert not {{"torch", "mlflow", "transformers"}} & sys.modules.keys()
"""
    command = [sys.executable, "-c", script]
    subprocess.run(
        command, env={"MPT_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}, check=True
    )


@pytest.mark.parametrize("count", [0, 2])
def test_runs_of_a_local_store_are_those_that_mlflow_tells(tmp_path, count):
    home = Home.find({"MPT_HOME": str(tmp_path)}).open()
    client = connect(home.tracking_uri, home.artifacts)
    experiment = client.create_experiment("mpt")
    for tag in ("aaaa", "bbbb", *["cccc"] * count):
        client.create_run(experiment, tags={"mpt.digest": tag})
    deleted = client.create_run(experiment, tags={"mpt.digest": "cccc"}).info.run_id
    client.delete_run(deleted)
    found = client.search_runs([experiment], "tags.`mpt.digest` = 'cccc'")
    expected = {run.info.run_id for run in found}
    disconnect(client)
    assert len(expected) == count
    made = Unit(
        "cccc",
        "meta",
        DamagedConfig({}),
        "done",
        MetaResult(curve=()),
        None,
        0.5,
        datetime.now(UTC),
    )
    seen = origin(made, home).runs
    assert seen is not None
    assert set(seen) == expected
    assert len(seen) == count
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 99)
    assert origin(made, home).runs is None


ENDS = st.lists(
    st.tuples(
        st.sampled_from(["complete", "pruned", "diverged", "failed", "running"]),
        st.sampled_from([-3.0, 0.0, 2.5, 2.5, 1e300, math.inf, -math.inf]),
        st.booleans(),
    ),
    max_size=6,
)


def filled(home: Home, name: str, ends) -> None:
    space = {"outer_lr": [0.1, 0.2], "inner_lr": {"low": 0.1, "high": 1.0}}
    study = make_study({"name": name, "space": space, "trials": 50, "round": 1})
    search = Search.begin(study, study.definition, home)
    for state, arg, has_interval in ends:
        (asked,) = search.ask(study)
        if state == "running":
            continue
        lone = arg if state == "complete" else None
        low, high = (arg - 1, arg + 1) if has_interval else (None, None)
        told = Trial(asked.number, {}, state, "d", lone, low, high, "a reason", 3)
        search.tell(asked, told)


def loaded(home: Home) -> dict[str, list[Trial]]:
    """Every trial of every study as Optuna reads them."""
    return {name: Search.load(home, name).trials for name in study_names(home)}


def summed(home: Home) -> list[Overview]:
    """The same by reading every trial."""
    found = []
    for name, trials in loaded(home).items():
        best = best_trial(trials)
        if best:
            best = Trial(best.number, {}, "complete", arg=best.arg, low=best.low, high=best.high)
        done = sum(trial.state == "complete" for trial in trials)
        found.append(Overview(name, len(trials), done, best))
    return found


@settings(max_examples=8)
@given(first=ENDS, second=ENDS)
def test_an_overview_says_what_all_trials_say(tmp_path_factory, first, second):
    home = Home.find({"MPT_HOME": str(tmp_path_factory.mktemp("home"))}).open()
    assert overviews(home) == []
    filled(home, "first", first)
    filled(home, "second", second)
    assert [one.name for one in overviews(home)] == ["second", "first"]
    assert overviews(home) == summed(home)
    found, expected = dict(all_trials(home)), loaded(home)
    assert list(found) == ["second", "first"]
    assert found == expected
    for name, trials in expected.items():
        for one, other in zip(found[name], trials, strict=True):
            assert one.ended == other.ended
            assert list(one.params.items()) == list(other.params.items())


def test_the_trials_of_a_study_are_read_by_as_many_queries_however_many_there_are(tmp_path):
    effort = []
    for count in (3, 30):
        home = Home.find({"MPT_HOME": str(tmp_path / str(count))}).open()
        filled(home, "one", [("complete", float(n), True) for n in range(count)])
        with counted() as seen:
            ((name, trials),) = all_trials(home)
        assert (name, len(trials)) == ("one", count)
        effort.append(seen["statements"])
    assert effort[0] == effort[1]


def test_an_overview_reads_a_few_rows_per_study_however_many_trials_there_are(tmp_path):
    effort = []
    for count in (3, 30):
        home = Home.find({"MPT_HOME": str(tmp_path / str(count))}).open()
        filled(home, "one", [("complete", float(n), True) for n in range(count)])
        with counted() as seen:
            (one,) = overviews(home)
        assert (one.trials, one.complete, one.best.arg) == (count, count, count - 1)
        effort.append(dict(seen))
    assert effort[0] == effort[1]
