"""Numbers of trials that earlier versions wrote, from 1, are those of the same trials today."""

from __future__ import annotations

from datetime import UTC, datetime

import optuna

from mpt.search.earlier_numbers import FIRST, first_of, reason_of, trial_key
from mpt.search.trial import StoredTrial, trial_of


def test_a_run_has_the_key_that_it_always_had():
    assert [trial_key(number) for number in (0, 9)] == ["trial-1", "trial-10"]


def test_a_record_without_the_field_counts_from_one():
    assert first_of({"trial": 3, "which": "best"}) == 1
    assert first_of({FIRST: 0, "trial": 3}) == 0


def test_a_reason_that_optuna_stored_names_the_same_trial():
    earlier = "pruned after 5 scores: below trial 10 (Wilcoxon, p < 0.1)"
    today = "pruned after 5 scores: worse than trial 9 (Wilcoxon, p < 0.1)"
    now, pruned = datetime.now(UTC), optuna.trial.TrialState.PRUNED
    for stored in (earlier, today):
        attrs = {"end": "pruned", "reason": stored}
        assert trial_of(StoredTrial(12, pruned, now, now, None, {}, attrs)).reason == today
    other = "run 1f2e3d diverged below trial 3"
    assert reason_of(other) == other
