"""Trial numbers in what earlier versions recorded: these counted trials from 1, Optuna from 0.

Keys of runs go on counting from 1, so that a run is found again whichever version opened it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FIRST = "first"
"""The field of a record for the number of a study's first trial; earlier versions had none."""

_BELOW = re.compile(r"below trial (\d+) \(Wilcoxon")


def first_of(record: Mapping[str, object]) -> int:
    """Return what a record calls a study's first trial: 0, or 1 in one of an earlier version."""
    return int(str(record.get(FIRST, 1)))


def trial_key(number: int) -> str:
    """Return what the key of a trial's run ends in; it counts from 1."""
    return f"trial-{number + 1}"


def reason_of(recorded: str) -> str:
    """Return the reason why a trial was pruned, in today's words and numbers."""
    return _BELOW.sub(lambda match: f"worse than trial {int(match[1]) - 1} (Wilcoxon", recorded)
