"""The tables of the ledger and their version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from mpt.errors import StoreError

SCHEMA = 1
"""The version of the tables below; older ledgers are migrated, newer ones refused."""

MIGRATIONS: Mapping[int, Sequence[str]] = {}
"""By version: the SQL statements that migrate its tables to the next version."""

_LOCK = 0x6D7074
"""Key of PostgreSQL's advisory lock that is held while tables are created."""

_metadata = sa.MetaData()


class _Version(sa.TypedColumns):
    name = sa.Column(sa.String(32), primary_key=True)
    version: sa.Named[int]


class _Units(sa.TypedColumns):
    digest = sa.Column(sa.String(64), primary_key=True)
    attempt = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    kind = sa.Column(sa.String(16), nullable=False)
    state = sa.Column(sa.String(16), nullable=False)
    config = sa.Column(sa.Text, nullable=False)
    result = sa.Column(sa.Text, nullable=False)
    artefact = sa.Column(sa.Text)
    seconds = sa.Column(sa.Double, nullable=False)
    created = sa.Column(sa.DateTime(timezone=True), nullable=False, index=True)


class _Links(sa.TypedColumns):
    id = sa.Column(sa.Integer, primary_key=True)
    owner = sa.Column(sa.String(200), nullable=False)
    role_id = sa.Column(sa.String(32), nullable=False)
    role = sa.Column(sa.Text, nullable=False)
    digest = sa.Column(sa.String(64), nullable=False, index=True)


class _Leases(sa.TypedColumns):
    name = sa.Column(sa.String(250), primary_key=True)
    token = sa.Column(sa.String(32), nullable=False)
    holder = sa.Column(sa.Text, nullable=False)
    since = sa.Column(sa.Double, nullable=False)
    expires = sa.Column(sa.Double, nullable=False)


VERSION = sa.Table("mpt_schema", _metadata, _Version)
UNITS = sa.Table("mpt_units", _metadata, _Units)
LINKS = sa.Table("mpt_links", _metadata, _Links, sa.UniqueConstraint("owner", "role_id", "digest"))
LEASES = sa.Table("mpt_leases", _metadata, _Leases)


def prepare(db: sa.Connection, shown: str) -> None:
    """Create missing tables, and migrate those of an older version.

    Everything happens in the caller's transaction, which takes the write lock before it reads the
    version: of two processes only one migrates, and one that is killed has changed nothing.

    Args:
        db: inside a transaction.
        shown: the database, for the error.

    Raises:
        StoreError: the database belongs to another tool, or to a newer mpt.
    """
    tables = set(sa.inspect(db).get_table_names())
    if VERSION.name not in tables and "alembic_version" in tables:
        other = "Optuna" if "trials" in tables else "MLflow" if "runs" in tables else "another tool"
        raise StoreError(
            f"{shown} holds the tables of {other}, not a ledger",
            fix="give the ledger a database of its own with MPT_LEDGER_URL",
        )
    if db.dialect.name == "postgresql":
        # two sessions that run CREATE TABLE IF NOT EXISTS at once collide in the catalogue
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    db.execute(CreateTable(VERSION, if_not_exists=True))
    insert(db, VERSION, [{"name": "ledger", "version": SCHEMA}])
    version = db.execute(sa.select(VERSION.c.version)).scalar_one()
    if version > SCHEMA:
        raise StoreError(
            f"{shown} is a ledger of schema {version}, this mpt reads schema {SCHEMA}",
            fix="install the mpt that wrote it, or a newer one",
        )
    for older in range(version, SCHEMA):
        for statement in MIGRATIONS[older]:
            db.exec_driver_sql(statement)
    if version < SCHEMA:
        db.execute(sa.update(VERSION).values(version=SCHEMA))
    for table in _metadata.sorted_tables:
        db.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            db.execute(CreateIndex(index, if_not_exists=True))


def prepare_leases(db: sa.Connection) -> None:
    """Create the table of leases, if it is missing, next to the tables of Optuna."""
    if db.dialect.name == "postgresql":
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    db.execute(CreateTable(LEASES, if_not_exists=True))


def insert(db: sa.Connection, table: sa.Table[Any], rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows whose key is not in the table yet; return how many these were."""
    kind = sqlite if db.dialect.name == "sqlite" else postgresql
    fresh = kind.insert(table).values(list(rows)).on_conflict_do_nothing()
    # SQLAlchemy keeps no row count of an INSERT in PostgreSQL
    return len(db.execute(fresh.returning(sa.literal(1))).all())
