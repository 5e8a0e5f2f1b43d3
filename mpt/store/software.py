"""Which software computed a unit: version, commit, and whether the commit tells all."""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mpt import __version__
from mpt.store.unit import Unit

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def software() -> dict[str, str | bool | None]:
    """What a record says of the software that made it, looked up once per process.

    Returns:
        ``mpt``, ``torch``, ``transformers`` and ``python`` versions; ``commit`` of the checkout
        that mpt lies in, None where it is installed without one; ``dirty``: files of the package
        differ from that commit, None where there is no commit.
    """
    inside = _git("rev-parse", "--is-inside-work-tree") == "true"
    tracked = inside and _git("ls-files", "--error-unmatch", "__init__.py") is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    changes = _git("status", "--porcelain", "--", ".") if commit else None
    return {
        "mpt": __version__,
        "torch": version("torch"),
        "transformers": version("transformers"),
        "python": platform.python_version(),
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def software_of(units: Iterable[Unit]) -> Counter[str]:
    """How many units each software computed, most first, in words; ``missing`` units are none."""
    return Counter(shown(unit.result.get("software")) for unit in units if unit.state != "missing")


def shown(record: object) -> str:
    """What a unit's record says of its software, in words."""
    if not isinstance(record, Mapping):
        return "not recorded (an earlier mpt)"
    names = ("mpt", "torch", "transformers", "python")
    said = [f"{name} {record[name]}" for name in names if record.get(name)]
    if commit := record.get("commit"):
        changed = " with changes" if record.get("dirty") else ""
        said.append(f"commit {str(commit)[:12]}{changed}")
    return ", ".join(said)


def _git(*words: str) -> str | None:
    """What git prints in the package's folder; None where it cannot say."""
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
