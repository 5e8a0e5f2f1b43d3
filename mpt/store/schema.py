"""Schemas of databases that other libraries own: theirs of today, an older or a newer one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from mpt.store.address import sqlite_file
from mpt.store.home import Home

VERSION = "alembic_version"
"""The table in which both libraries keep the revision of their tables."""


_REVISION = re.compile(r"""^revision\b[^=\n]*= *["']([^"']+)["']""", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision\b[^=\n]*=(.*)$", re.MULTILINE)
_NAME = re.compile(r"""["']([^"']+)["']""")


@dataclass(frozen=True)
class Owner:
    """A library that makes tables and brings them up to date.

    Attributes:
        scripts: where its migrations lie, below its package, in ``versions``.
        upgrade: its own command for that; the database's URL comes behind it.
    """

    name: str
    package: str
    scripts: str
    upgrade: str


OPTUNA = Owner("Optuna", "optuna", "storages/_rdb/alembic", "optuna storage upgrade --storage")
MLFLOW = Owner("MLflow", "mlflow", "store/db_migrations", "mlflow db upgrade")


def schema_fault(url: str, variable: str, owner: Owner, revision: str) -> str:
    """Why the installed library does not take a database, and what to do; empty where it does.

    Args:
        url: of the database; variable: what names it.
        owner: whose tables it holds.
        revision: of its tables; empty where none is noted, so that nothing is said.
    """
    if not revision:
        return ""
    newest, known = _revisions(owner)
    if revision == newest:
        return ""
    if revision not in known:
        return (
            f"its tables are of schema {revision}, which this {owner.name} does not know: a newer "
            f"one made them; use the environment that wrote it, or set {variable} to another "
            "database"
        )
    file, named = sqlite_file(url), quote(url)
    copy = f"copy it first (`cp {quote(str(file))} {quote(f'{file}.bak')}`)"
    if file is None:
        # the password stands nowhere but in the variable
        copy, named = "make a copy of it first (pg_dump)", f'"${variable}"'
    return (
        f"its tables are of {owner.name}'s earlier schema {revision}, and this {owner.name} needs "
        f"{newest}; {copy}, then bring it up to date: `{owner.upgrade} {named}`"
    )


def schema_error(store: str, url: str, fault: str) -> str:
    """The line for a store whose schema is at fault."""
    return f"the {store} {Home.shown(url)} cannot be used: {fault}"


def _revisions(owner: Owner) -> tuple[str, frozenset[str]]:
    """The newest revision that the installed library knows, and all of them.

    Read off its migrations as they lie there: Alembic would import every one, and with them the
    library.
    """
    package = find_spec(owner.package)
    (root,) = package.submodule_search_locations or [""] if package else [""]
    known, before = set[str](), set[str]()
    for script in (Path(root) / owner.scripts / "versions").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        known.update(_REVISION.findall(text))
        before.update(name for line in _BEFORE.findall(text) for name in _NAME.findall(line))
    (newest,) = known - before
    return newest, frozenset(known)
