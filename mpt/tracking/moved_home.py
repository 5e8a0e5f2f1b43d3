"""A home that was moved or copied: MLflow's database still holds the paths of the old place."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from mpt.files.sqlite import open_read_only
from mpt.store.address import sqlite_file

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Tables and columns of MLflow's that hold absolute paths."""


def former_places(uri: str, artifacts: Path) -> frozenset[str]:
    """Return the places, as URIs, where MLflow's database looks for files that are now elsewhere.

    Args:
        uri: of the tracking store. A database that is not in the same folder as ``artifacts``, or
            cannot be read, has none.
        artifacts: the home's folder of files.
    """
    if (file := _own_file(uri, artifacts)) is None:
        return frozenset()
    with suppress(sqlite3.Error), closing(open_read_only(file)) as database:
        return _former(database, artifacts)
    return frozenset()


def follow_move(uri: str, artifacts: Path) -> None:
    """Update the paths in MLflow's database after the home was moved or copied.

    MLflow stores absolute paths: of the experiment, and of every run and version (mlflow#3144).

    Args:
        uri, artifacts: see ``former_places``.
    """
    if (file := _own_file(uri, artifacts)) is None:
        return
    new = artifacts.as_uri()
    # MLflow itself reports a database that is damaged or cannot be written
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=60.0)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        for old in _former(database, artifacts):
            for table, column in (place for place in _PLACES if place[0] in tables):
                moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?)"
                where = f"WHERE {column} = ? OR substr({column}, 1, ?) = ?"
                size = len(old) + 1
                database.execute(f"{moved} {where}", (new, size, old, size, f"{old}/"))
        database.commit()


def _own_file(uri: str, artifacts: Path) -> Path | None:
    file = sqlite_file(uri)
    is_own = file is not None and file.parent == artifacts.parent and file.exists()
    return file if is_own else None


def _former(database: sqlite3.Connection, artifacts: Path) -> frozenset[str]:
    # experiments of mpt keep their files in the folder itself, those of others below it
    own = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ?"
    rows = database.execute(own, ("%/artifacts",))
    return frozenset(old for (old,) in rows) - {artifacts.as_uri()}
