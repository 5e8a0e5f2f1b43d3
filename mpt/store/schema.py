"""Schema versions of databases that other libraries own: current, older or newer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from mpt.errors import StoreError
from mpt.store.address import sqlite_file
from mpt.store.home import Home

VERSION = "alembic_version"
"""The table in which Optuna and MLflow store the revision of their schema."""


_REVISION = re.compile(r"""^revision\b[^=\n]*= *["']([^"']+)["']""", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision\b[^=\n]*=(.*)$", re.MULTILINE)
_NAME = re.compile(r"""["']([^"']+)["']""")


@dataclass(frozen=True)
class Owner:
    """Describe a library that creates and migrates tables.

    Attributes:
        scripts: the folder, in its package, whose ``versions`` holds the migrations.
        upgrade: its own command for migrating; the database's URL is its last argument.
    """

    name: str
    package: str
    scripts: str
    upgrade: str


OPTUNA = Owner("Optuna", "optuna", "storages/_rdb/alembic", "optuna storage upgrade --storage")
MLFLOW = Owner("MLflow", "mlflow", "store/db_migrations", "mlflow db upgrade")


class SchemaFault(NamedTuple):
    """Why the installed library cannot use a database, and what to do about it."""

    what: str
    fix: str


def schema_fault(url: str, variable: str, owner: Owner, revision: str) -> SchemaFault | None:
    """Explain why the installed library cannot use a database, and what to do.

    Args:
        url: of the database.
        variable: the environment variable that names the database.
        owner: the library whose tables it holds.
        revision: of its schema; empty where none is recorded.

    Returns:
        None where the library can use it, or where there is no revision to judge by.
    """
    if not revision:
        return None
    newest, revisions = _revisions(owner)
    if revision == newest:
        return None
    if revision not in revisions:
        return SchemaFault(
            f"its tables are of schema {revision}, which this {owner.name} does not know: a newer "
            "one made them",
            f"use the environment that wrote it, or set {variable} to another database",
        )
    file, named = sqlite_file(url), quote(url)
    copy = f"copy it first (`cp {quote(str(file))} {quote(f'{file}.bak')}`)"
    if file is None:
        # the URL holds a password, which must not be printed
        copy, named = "make a copy of it first (pg_dump)", f'"${variable}"'
    return SchemaFault(
        f"its tables are of {owner.name}'s earlier schema {revision}, and this {owner.name} needs "
        f"{newest}",
        f"{copy}, then bring it up to date: `{owner.upgrade} {named}`",
    )


def schema_error(store: str, url: str, fault: SchemaFault) -> StoreError:
    """Return the error for a store whose schema the library cannot use."""
    return StoreError(f"the {store} {Home.shown(url)} cannot be used: {fault.what}", fix=fault.fix)


def _revisions(owner: Owner) -> tuple[str, frozenset[str]]:
    """Return the newest revision that the installed library knows, and all of them.

    They are parsed from its migration scripts: Alembic would import every script, and with them
    the library.
    """
    package = find_spec(owner.package)
    (root,) = package.submodule_search_locations or [""] if package else [""]
    revisions, superseded = set[str](), set[str]()
    for script in (Path(root) / owner.scripts / "versions").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        revisions.update(_REVISION.findall(text))
        superseded.update(name for line in _BEFORE.findall(text) for name in _NAME.findall(line))
    (newest,) = revisions - superseded
    return newest, frozenset(revisions)
