"""Stale trials: those of a dead driver are released, and failed ones are retried."""

from __future__ import annotations

from mpt.config import CellConfig
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.store.ledger import Ledger
from mpt.study.study import Study


def release_stale(search: Search, study: Study) -> list[int]:
    """Let the trials of a dead driver wait for the next one, or fail, by the study's ``errors``.

    The caller must hold the study's lease. Returns their numbers.
    """
    fail = study.errors.killed == "fail"
    return search.release(fail=fail, error="killed", reason="its driver died")


def retry(search: Search, ledger: Ledger, *, diverged: bool = False) -> list[tuple[Trial, int]]:
    """Retry trials that failed, or those that ``diverged``, with the same parameters.

    The ledger forgets diverged units, so that they are computed again, as failed ones always are.
    The caller must hold the study's lease.

    Returns:
        Each trial with the number of its next attempt.
    """
    retried = search.retry("diverged" if diverged else "failed")
    if diverged:
        lost = {trial.digest for trial, _ in retried}
        for unit in list(ledger.units(state="diverged")):
            config = unit.config
            began_lost = isinstance(config, CellConfig) and config.start in lost
            if unit.digest in lost or began_lost:
                ledger.forget(unit.digest)
    return retried
