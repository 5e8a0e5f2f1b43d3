"""A database that refuses for a moment is waited for, by PostgreSQL's own codes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from mpt.errors import StoreError
from mpt.store.database import Database, patient

pytestmark = pytest.mark.slow


@pytest.fixture
def database(postgres) -> Iterator[Database]:
    postgres.make("patience")
    found = Database(postgres.url("patience"))
    yield found
    found.close()


def tell(postgres, statement: str) -> None:
    """Change a setting of the running server, by a session that may write at all times."""
    engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("set default_transaction_read_only = off"))
        connection.execute(sa.text(statement))
        connection.execute(sa.text("select pg_reload_conf()"))
    engine.dispose()


def insert(database: Database, number: int, patience: float = 60.0) -> None:
    words = sa.text(f"insert into kept values ({number})")
    database.do(lambda db: db.execute(words), patience)


def test_a_database_that_is_read_only_for_a_moment_is_waited_for(postgres, database):
    database.do(lambda db: db.execute(sa.text("create table kept (n integer)")))
    tell(postgres, "alter system set default_transaction_read_only = on")
    try:
        time.sleep(0.5)
        with pytest.raises(StoreError, match="read-only transaction"):
            insert(database, 1, patience=0.0)
        writer = threading.Thread(target=insert, args=(database, 2))
        writer.start()
        time.sleep(1.0)
        assert writer.is_alive()
    finally:
        tell(postgres, "alter system reset default_transaction_read_only")
    writer.join(timeout=30.0)
    assert not writer.is_alive()
    assert database.do(lambda db: db.execute(sa.text("select n from kept")).scalars().all()) == [2]


def test_a_statement_that_took_too_long_is_asked_again(database):
    asked = []

    def slow(db: sa.Connection) -> int:
        asked.append(1)
        if len(asked) == 1:
            db.execute(sa.text("set local statement_timeout = 50"))
            db.execute(sa.text("select pg_sleep(5)"))
        return db.execute(sa.text("select 7")).scalar_one()

    assert database.do(slow) == 7
    assert len(asked) == 2


def test_a_studies_store_that_may_not_be_written_says_so_in_one_line():
    def write():
        raise sqlite3.OperationalError("attempt to write a readonly database")

    line = r"studies store x cannot be used \(attempt to write a readonly database\); its file and"
    with pytest.raises(StoreError, match=line):
        patient(write, "x")()
