"""Addresses of databases: URLs made of paths and parted again, so that any path is a place."""

from __future__ import annotations

from pathlib import Path

_LOCAL = {"localhost": "127.0.0.1", "::1": "127.0.0.1", None: "127.0.0.1", "": "127.0.0.1"}


def sqlite_url(path: Path) -> str:
    """The URL of a file; signs that mean something in a URL are written as ``%25`` and the like.

    Where there are such signs the driver is named: MLflow makes the folder that stands behind a
    plain ``sqlite:///``, taking the URL for a path.
    """
    from sqlalchemy import URL

    url = URL.create("sqlite", database=str(path))
    if url.render_as_string() == f"sqlite:///{path}":
        return url.render_as_string()
    return url.set(drivername="sqlite+pysqlite").render_as_string()


def from_home(url: str) -> str:
    """A URL of SQLite with the home folder in place of a ``~`` that its path begins with."""
    file = sqlite_file(url)
    if file is None or not str(file).startswith("~"):
        return url
    from sqlalchemy import make_url

    try:
        return make_url(url).set(database=str(file.expanduser())).render_as_string(False)
    except RuntimeError:
        return url


def sqlite_file(url: str) -> Path | None:
    """The file that a URL of SQLite names; None for any other address."""
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
    """Whether readers of URLs may part it differently, and take half a password for a host."""
    kind, _, rest = url.partition("://")
    if kind.startswith("sqlite"):
        return False
    if kind.startswith("http"):
        return any(sign in rest.rpartition("@")[0] for sign in "@/?#")
    # SQLAlchemy takes every other sign as it is
    return rest.partition("?")[0].count("@") > 1


def place(url: str) -> tuple[str, ...] | None:
    """What makes two database URLs the same schema; None for a server that owns its database."""
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
