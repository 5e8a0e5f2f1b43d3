"""Which software computed a unit: versions, commit, and whether files differed from it."""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mpt.store.results import Software
from mpt.store.unit import Unit
from mpt.version import __version__

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def software() -> Software:
    """Look up, once per process, the software that computes units now.

    Returns:
        Versions; ``commit`` of the checkout that contains mpt, None if it is installed without
        one; ``dirty``: whether files of the package differ from that commit, None without one.
    """
    inside = _git("rev-parse", "--is-inside-work-tree") == "true"
    tracked = inside and _git("ls-files", "--error-unmatch", "__init__.py") is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    changes = _git("status", "--porcelain", "--", ".") if commit else None
    return Software(
        mpt=__version__,
        torch=version("torch"),
        transformers=version("transformers"),
        python=platform.python_version(),
        commit=commit,
        dirty=None if changes is None else bool(changes),
    )


def software_of(units: Iterable[Unit]) -> Counter[str]:
    """Count the units that each software, in words, computed; ``missing`` units are skipped."""
    return Counter(shown(unit.result.software) for unit in units if unit.state != "missing")


def shown(record: Software | None) -> str:
    """Describe in words the software that a unit's record names."""
    if record is None:
        return "not recorded (an earlier mpt)"
    versions = {
        "mpt": record.mpt,
        "torch": record.torch,
        "transformers": record.transformers,
        "python": record.python,
    }
    words = [f"{name} {version}" for name, version in versions.items() if version]
    if record.commit:
        changed = " with changes" if record.dirty else ""
        words.append(f"commit {record.commit[:12]}{changed}")
    return ", ".join(words)


def _git(*words: str) -> str | None:
    """Return what git prints in the package's folder; None if it fails or is not there."""
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
