"""Trials that nobody is at: a dead driver's are handed back, and lost ones are tried again."""

from __future__ import annotations

from mpt.config import CellConfig
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.store.ledger import Ledger
from mpt.study.study import Study


def reap(search: Search, study: Study) -> list[int]:
    """Trials of a driver that died wait for the next one, or fail, as the study's table says.

    Only for who holds the study's lease. Returns their numbers.
    """
    fail = study.errors.killed == "fail"
    return search.hand_back(fail=fail, error="killed", reason="its driver died")


def retry(search: Search, ledger: Ledger, *, diverged: bool = False) -> list[tuple[Trial, int]]:
    """Trials that failed, or that ``diverged``, once more with their parameters.

    What diverged is forgotten, so that it is computed again; what failed always is. Only for who
    holds the study's lease.

    Returns:
        Each trial with the number of its next attempt.
    """
    found = search.again("diverged" if diverged else "failed")
    if diverged:
        lost = {trial.digest for trial, _ in found}
        for unit in list(ledger.units(state="diverged")):
            config = unit.config
            began_lost = isinstance(config, CellConfig) and config.start in lost
            if unit.digest in lost or began_lost:
                ledger.forget(unit.digest)
    return found
