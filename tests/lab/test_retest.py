"""Why a search's best trial is not tried again on fresh seeds."""

from __future__ import annotations

from mpt.gym.splits import SEEDS
from mpt.lab.retest import untested
from mpt.search.trial import Trial
from mpt.study.study_file import make_study


def finished(count: int) -> list[Trial]:
    return [Trial(n, {}, "complete", f"digest-{n}", arg=float(n)) for n in range(count)]


def study(seeds):
    return make_study({"validation": {"seeds": list(seeds)}})


def test_several_finished_trials_and_fresh_seeds_are_re_tested():
    assert untested(study(SEEDS[:2]), finished(2), top=3) is None


def test_one_configuration_has_nothing_to_be_compared_with():
    why = untested(study(SEEDS[:2]), finished(1), top=3)
    assert why == "the search has only one completed configuration, so there is nothing to compare"


def test_a_search_on_all_seeds_leaves_none():
    assert untested(study(SEEDS), finished(2), top=3) == (
        "the search used all 5 data seeds, so its best score may be due to chance; a study with "
        "fewer 'validation.seeds' leaves some for a re-test"
    )


def test_nobody_asked_for_one():
    assert untested(study(SEEDS), finished(2), top=1) is None
