"""Databases that refuse for a moment, and disks that refuse for good."""

from __future__ import annotations

import logging
import threading
import time

import pytest
import sqlalchemy as sa
from synthetic import FOOD
from tiny import tiny

from mpt.engine.checkpoint import Checkpoints
from mpt.lab.database import Database


@pytest.fixture
def database(postgres):
    postgres.make("patience")
    found = Database(postgres.url("patience"))
    yield found
    found.close()


def alter(postgres, statement: str) -> None:
    engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
        connection.execute(sa.text("select pg_reload_conf()"))
    engine.dispose()


@pytest.mark.slow
def test_a_database_that_is_read_only_for_a_moment_is_waited_for(postgres, database):
    database.do(lambda db: db.execute(sa.text("create table kept (n integer)")))
    alter(postgres, "alter system set default_transaction_read_only = on")
    try:
        with pytest.raises(Exception, match="read-only transaction"):
            database.do(lambda db: db.execute(sa.text("insert into kept values (1)")), 0.0)
        writer = threading.Thread(
            target=lambda: database.do(
                lambda db: db.execute(sa.text("insert into kept values (2)"))
            )
        )
        writer.start()
        time.sleep(1.0)
        assert writer.is_alive()
    finally:
        # a new transaction may write at once; those to come as well
        postgres_is_back = (
            "alter system reset default_transaction_read_only"
        )
        engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("set session characteristics as transaction read write"))
            connection.execute(sa.text(postgres_is_back))
            connection.execute(sa.text("select pg_reload_conf()"))
        engine.dispose()
    writer.join(timeout=30.0)
    assert not writer.is_alive()
    assert database.do(lambda db: db.execute(sa.text("select n from kept")).scalars().all()) == [2]
