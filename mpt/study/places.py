"""Paths given by users: stored as absolute, so that they resolve from any working folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import DataError
from mpt.gym.source import open_gym

if TYPE_CHECKING:
    from mpt.gym.source import Gym
    from mpt.study.study import Study

EMBEDDED = "mini"
"""Name of the gym and of the backbone that are part of mpt."""


def expanded(name: str) -> str:
    """Expand ``~`` at the start of a path; return it unchanged if no such home folder exists."""
    with suppress(RuntimeError):
        return str(Path(name).expanduser()) if name.startswith("~") else name
    return name


def absolute(name: str) -> str:
    """Return the absolute path of an existing file or folder, with ``~`` expanded.

    ``mini``, a Hub id and a path that does not exist are returned unchanged.
    """
    if not name or name == EMBEDDED:
        return name
    try:
        path = Path(expanded(name))
        if not path.exists():
            return name
        # keep a link's own path, as the user knows it, but resolve `..` behind a link
        return str(path.resolve() if ".." in path.parts else path.absolute())
    except (OSError, RuntimeError, ValueError):
        # the name is too long, contains NUL, or its links form a cycle
        return name


def is_on_disk(name: str) -> bool:
    """Return whether a backbone's name is that of a local folder or file."""
    return name != EMBEDDED and Path(absolute(name)).exists()


def gym_of(study: Study) -> Gym:
    """Open the gym of an earlier study.

    Raises:
        DataError: it is no longer at the recorded path.
    """
    path = absolute(study.gym)
    if path == EMBEDDED or Path(path).exists():
        return open_gym(path)
    here = "" if Path(path).is_absolute() else f" under {Path.cwd()}"
    raise DataError(
        f"the gym of study {study.title!r}, {study.gym}, is not there{here}",
        fix=(
            f"run its `mpt sweep` command with `--name {study.title} --gym FOLDER` for the new "
            "place: with the same rows it is the same study, and nothing is computed again"
        ),
    )
