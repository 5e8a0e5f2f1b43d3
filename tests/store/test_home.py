from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from mpt.errors import StoreError
from mpt.search.storage import open_storage
from mpt.store.address import place, sqlite_file, sqlite_url
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.tracking import client as mlflow_client
from mpt.tracking.client import connect, disconnect


def test_everything_lies_under_the_home_folder_by_default(tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "here")})
    assert home.ledger_url == f"sqlite:///{tmp_path}/here/ledger.db"
    assert home.studies_url == f"sqlite:///{tmp_path}/here/studies.db"
    assert home.tracking_uri == f"sqlite:///{tmp_path}/here/mlflow.db"
    assert not home.root.exists(), "finding a home writes nothing"
    home.open()
    assert all(
        folder.is_dir() and folder.parent == home.root
        for folder in (home.outbox, home.checkpoints, home.prompts, home.artifacts, home.reports)
    )


def test_without_a_variable_it_is_mlruns_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Home.find({}).root == tmp_path / "mlruns"


SAME = [
    ("postgresql+psycopg://a:b@db/mpt", "postgresql://c@db:5432/mpt"),
    ("postgresql://localhost/mpt", "postgres://127.0.0.1/mpt"),
    ("sqlite:///{here}/one.db", "sqlite:///{here}/x/../one.db"),
]


@pytest.mark.parametrize(("ledger", "studies"), SAME)
def test_two_stores_in_one_database_are_refused(tmp_path, ledger, studies):
    home = Home.find(
        {
            "MPT_HOME": str(tmp_path),
            "MPT_LEDGER_URL": ledger.format(here=tmp_path),
            "MPT_STUDIES_URL": studies.format(here=tmp_path),
        }
    )
    wording = "ledger and studies stores are the same database.*give MPT_STUDIES_URL a database"
    with pytest.raises(StoreError, match=wording):
        home.open()


NAMES = ("my%20data 50%", "~q'u\"o ünï日本", "why?h#a&b", "my data", "a:b@c;+")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1))
@settings(derandomize=True, database=None, deadline=None)
@example(name="my%20data")
@example(name="why?#&")
def test_a_folder_of_any_name_has_a_url_of_its_own(name):
    file = Path("/tmp") / name / "ledger.db"
    assert sqlite_file(sqlite_url(file)) == file
    assert place(sqlite_url(file)) == ("sqlite", str(file.resolve()))


@pytest.mark.parametrize(
    "name", [*NAMES[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[2:])]
)
def test_stores_lie_in_their_home_whatever_its_name(
    name, tmp_path, monkeypatch, make_mlflow_database
):
    monkeypatch.setattr(mlflow_client, "_make_whole", make_mlflow_database)
    home = Home.find({"MPT_HOME": str(tmp_path / name)}).open()
    with Ledger(home.ledger_url):
        pass
    open_storage(home, make=True)
    client = connect(home.tracking_uri)
    made = client.create_experiment("mpt", artifact_location=home.artifacts.as_uri())
    run = client.create_run(made).info.run_id
    client.log_text(run, "text", "file.txt")
    assert [one.path for one in client.list_artifacts(run)] == ["file.txt"]
    disconnect(client)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    stores = {path.name for path in home.root.glob("*.db")}
    assert stores == {"ledger.db", "studies.db", "mlflow.db"}
    assert len(list(home.artifacts.rglob("file.txt"))) == 1
    home.refuse_shared()


def test_a_tilde_is_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.find({"MPT_HOME": "~/x"}).root == tmp_path / "x"


def test_a_folder_that_has_no_path_is_one_line(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(
        StoreError, match=r"'~/x' has no path on this .*; set MPT_HOME to an absolute"
    ):
        Home.find({"MPT_HOME": "~/x"})
    with pytest.raises(StoreError, match="is not UTF-8; set MPT_HOME to another one"):
        Home.find({"MPT_HOME": "/tmp/\udcff"})


def test_two_databases_or_schemas_of_one_server_are_two_stores(tmp_path):
    home = Home.find(
        {
            "MPT_HOME": str(tmp_path),
            "MPT_LEDGER_URL": "postgresql+psycopg://a@db/ledger",
            "MPT_STUDIES_URL": "postgresql+psycopg://a@db/studies",
            "MPT_TRACKING_URI": "postgresql://a@db/studies?options=-csearch_path%3Dmlflow",
        }
    )
    assert home.open() is home


def test_a_file_in_the_way_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"home folder .*file/x cannot be written.*set MPT_HOME"):
        Home.find({"MPT_HOME": str(tmp_path / "file" / "x")}).open()


SECRETS = [
    "postgresql+psycopg://user:s3cret@host/db",
    "postgresql://user:s3cret/@:x@host:5432/db",
    "postgresql://host/db?user=a&password=s3cret&x=1",
    "https://user:s3cret@mlflow.example/path",
    "postgresql://:s3cret@host/db",
]


@pytest.mark.parametrize("url", SECRETS)
def test_no_password_is_shown(url):
    assert "s3cret" not in Home.shown(url)
    assert "***" in Home.shown(url)


def test_a_url_without_password_is_shown_as_it_is():
    for url in ("sqlite:////a/b.db", "http://127.0.0.1:5000", "postgresql://host:5432/db"):
        assert Home.shown(url) == url


def test_mlflow_finds_a_home_for_a_user_who_has_none(tmp_path, monkeypatch):
    # set first, so that what is set in place of it goes away with the test
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    client = connect(home.tracking_uri)
    run = client.create_run(client.create_experiment("mpt"))
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    disconnect(client)


def test_a_text_that_quotes_an_address_shows_no_password():
    text = "API request to http://me:a@b/c@host:5000/api failed: (host='host') no route"
    assert (
        Home.shown(text)
        == "API request to http://me:***@host:5000/api failed: (host='host') no route"
    )
    assert Home.shown("me:a:b/c@127.0.0.1:6379") == "me:***@127.0.0.1:6379"
    plain = "RESOURCE_DOES_NOT_EXIST: no version of models:/a@champion"
    assert Home.shown(plain) == plain


@pytest.mark.parametrize("variable", ["MPT_LEDGER_URL", "MPT_STUDIES_URL", "MPT_TRACKING_URI"])
def test_a_password_that_parts_its_url_is_refused_until_it_is_written_as_is_said(variable):
    url = "postgresql+psycopg://me:{}@127.0.0.1:9/db"
    with pytest.raises(
        StoreError, match=r"'.*me:\*\*\*@127.0.0.1:9/db' can be read in two ways"
    ) as error:
        Home.find({variable: url.format("hun@t%/er")})
    written = "hun@t%/er"
    for sign, code in re.findall(r"(\S) as (%\w\w)", str(error.value))[::-1]:
        written = written.replace(sign, code)
    found = Home.find({variable: url.format(written)})
    (kept,) = (one for one in vars(found).values() if "me:" in str(one))
    assert make_url(kept).password == "hun@t%/er"
    assert make_url(kept).host == "127.0.0.1"


@pytest.mark.parametrize("password", ["a@b", "a/b", "a?b", "a#b"])
def test_a_password_that_parts_the_address_of_a_server_is_refused(password):
    with pytest.raises(StoreError, match="can be read in two ways; percent-encode its"):
        Home.find({"MPT_TRACKING_URI": f"http://me:{password}@127.0.0.1:5000"})
    Home.find({"MPT_TRACKING_URI": f"http://me:{quote(password, safe='')}@127.0.0.1:5000"})
