"""Addresses of databases: make URLs of paths and parse them back, whatever the path holds."""

from __future__ import annotations

from pathlib import Path

_LOCAL = {"localhost": "127.0.0.1", "::1": "127.0.0.1", None: "127.0.0.1", "": "127.0.0.1"}


def sqlite_url(path: Path) -> str:
    """Return the SQLite URL of a file, with reserved characters percent-encoded.

    Where there are such characters, the URL names the driver as well: MLflow takes what follows a
    plain ``sqlite:///`` for a path, and would make the percent-encoded folder.
    """
    from sqlalchemy import URL

    url = URL.create("sqlite", database=str(path))
    if url.render_as_string() == f"sqlite:///{path}":
        return url.render_as_string()
    return url.set(drivername="sqlite+pysqlite").render_as_string()


def from_home(url: str) -> str:
    """Return a URL with the ``~`` at the start of an SQLite path expanded; others unchanged."""
    file = sqlite_file(url)
    if file is None or not str(file).startswith("~"):
        return url
    from sqlalchemy import make_url

    try:
        return make_url(url).set(database=str(file.expanduser())).render_as_string(False)
    except RuntimeError:
        return url


def sqlite_file(url: str) -> Path | None:
    """Return the file that an SQLite URL names; None for any other address."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if not url.startswith("sqlite"):
        return None
    try:
        database = make_url(url).database
    except (ArgumentError, ValueError):
        return None
    return Path(database) if database and database != ":memory:" else None


def is_ambiguous(url: str) -> bool:
    """Return whether URL parsers may disagree, and take part of a password for the host."""
    kind, _, rest = url.partition("://")
    if kind.startswith("sqlite"):
        return False
    if kind.startswith("http"):
        return any(sign in rest.rpartition("@")[0] for sign in "@/?#")
    # SQLAlchemy accepts every other character in a password as it is
    return rest.partition("?")[0].count("@") > 1


def place(url: str) -> tuple[str, ...] | None:
    """Return a key that is equal for URLs of the same database schema.

    Returns:
        None for an HTTP server, which owns its database, and for what is no database URL.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if file := sqlite_file(url):
        return ("sqlite", str(file.resolve()))
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return None
    kind = parts.get_backend_name().replace("postgresql", "postgres")
    host = parts.host or parts.query.get("host")
    if kind.startswith("http") or not host:
        return None
    port = parts.port or ("5432" if kind == "postgres" else "")
    options = str(parts.query.get("options", ""))
    return (kind, _LOCAL.get(str(host), str(host)), str(port), parts.database or "", options)
