"""Which software computed a unit: version, commit, and whether the commit tells all."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mpt import __version__

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def software() -> dict[str, str | bool | None]:
    """What a record says of the software that made it, looked up once per process.

    Returns:
        ``mpt`` and ``torch`` versions; ``commit`` of the checkout that mpt lies in, None where it
        is installed without one; ``dirty``: files of the package differ from that commit, None
        where there is no commit.
    """
    inside = _git("rev-parse", "--is-inside-work-tree") == "true"
    tracked = inside and _git("ls-files", "--error-unmatch", "__init__.py") is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    changes = _git("status", "--porcelain", "--", ".") if commit else None
    return {
        "mpt": __version__,
        "torch": version("torch"),
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def _git(*words: str) -> str | None:
    """What git prints in the package's folder; None where it cannot say."""
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
