from __future__ import annotations

import pytest

from mpt.errors import StoreError
from mpt.lab.home import Home


def test_everything_lies_under_the_home_folder_by_default(tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "here")})
    assert home.ledger_url == f"sqlite:///{tmp_path}/here/ledger.db"
    assert home.studies_url == f"sqlite:///{tmp_path}/here/studies.db"
    assert home.tracking_uri == home.mlflow_url == f"sqlite:///{tmp_path}/here/mlflow.db"
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
