"""Folders and files that a user names: kept absolute, so that they are found from everywhere."""

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
"""The gym and the backbone that lie in mpt itself."""


def expanded(name: str) -> str:
    """A path with the home folder in place of ``~``; as it is where there is none of that name."""
    with suppress(RuntimeError):
        return str(Path(name).expanduser()) if name.startswith("~") else name
    return name


def absolute(name: str) -> str:
    """A name as it is kept: the absolute path of a file or folder that is there, ``~`` expanded.

    ``mini``, a Hub id and a path that leads nowhere stay as they are.
    """
    if not name or name == EMBEDDED:
        return name
    try:
        path = Path(expanded(name))
        if not path.exists():
            return name
        # a link is what the user calls it by; behind one, .. is another folder than it looks
        return str(path.resolve() if ".." in path.parts else path.absolute())
    except (OSError, RuntimeError, ValueError):
        # a name too long, links that go in a circle, a NUL
        return name


def is_on_disk(name: str) -> bool:
    """Whether a backbone's name is that of a folder or file here."""
    return name != EMBEDDED and Path(absolute(name)).exists()


def gym_of(study: Study) -> Gym:
    """The gym of a study that was begun before.

    Raises:
        DataError: it is no longer where the study has it.
    """
    kept = absolute(study.gym)
    if kept == EMBEDDED or Path(kept).exists():
        return open_gym(kept)
    here = "" if Path(kept).is_absolute() else f" under {Path.cwd()}"
    raise DataError(
        f"the gym of study {study.title!r}, {study.gym}, is not there{here}; say where it lies now "
        f"by its `mpt sweep` command with `--name {study.title} --gym FOLDER`: with the same rows "
        "it is the same study, and nothing is computed again"
    )
