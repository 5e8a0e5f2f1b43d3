"""Pruning as data of a study: what it may say, its brackets and its rungs."""

from __future__ import annotations

from collections import Counter

import pytest

from mpt.errors import ConfigError
from mpt.study.pruning import Hyperband, Wilcoxon
from mpt.study.study_file import make_study


def test_a_pruner_is_named_or_written_out():
    assert make_study({}).pruner is make_study({"pruner": "none"}).pruner is None
    assert make_study({"pruner": "wilcoxon"}).pruner == Wilcoxon(p_threshold=0.1)
    chosen = make_study({"pruner": {"kind": "hyperband", "min_resource": 5}}).pruner
    assert chosen == Hyperband(min_resource=5, reduction_factor=3)
    again = make_study(make_study({"pruner": "wilcoxon"}).model_dump(mode="json"))
    assert again.pruner == Wilcoxon()


def test_a_study_without_a_pruner_is_defined_as_before_there_were_any():
    assert "pruner" not in {k for k, v in make_study({}).definition.items() if v is not None}
    assert make_study({"pruner": "wilcoxon"}).definition["pruner"]["p_threshold"] == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pruner": "wilcoxn"},
            "'pruner' is 'wilcoxn': input should be none, 'wilcoxon', 'hyperband' - did you mean "
            "'wilcoxon'?",
        ),
        (
            {"pruner": {"kind": "hyperband", "min_resorce": 3}},
            "unknown key 'pruner.min_resorce' - did you mean 'min_resource'?",
        ),
        (
            {"pruner": {"kind": "wilcoxon", "p_threshold": 1.5}},
            "'pruner.p_threshold' is 1.5: input should be less than 1",
        ),
        (
            {"pruner": "wilcoxon", "validation": {"seeds": [13]}},
            "decides after each data seed but the last, and validation.seeds has one; give more",
        ),
        (
            {"pruner": {"kind": "hyperband", "min_resource": 60}},
            "would first decide after 60 meta-steps, and a trial takes at most 60; give a smaller "
            "pruner.min_resource",
        ),
    ],
)
def test_what_cannot_prune_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        make_study(changes)
    assert message in str(caught.value)


def test_rungs_are_multiplied_by_the_factor_and_end_before_the_trial_does():
    pruner = Hyperband(min_resource=5)
    assert [pruner.rungs(s, 60, 60) for s in range(3)] == [(5, 15, 45), (15, 45), (45,)]
    # a shorter trial meets the same rungs, as far as it goes
    assert pruner.rungs(0, 45, 60) == (5, 15)
    assert pruner.rungs(0, 5, 60) == ()
    assert Hyperband(reduction_factor=2).lowest(80) == 20


def test_brackets_come_in_hyperband_s_proportions():
    pruner = Hyperband(min_resource=9)
    # n_s = ceil((s_max + 1) / (s + 1) * eta^s) of Li et al. (2018), for s = 2, 1, 0
    found = Counter(pruner.bracket(number, 0, 81) for number in range(34))
    assert found == {0: 18, 1: 10, 2: 6}
    assert pruner.rungs(2, 81, 81) == ()


def test_the_last_rung_is_not_lost_to_rounding():
    # log(243) / log(3) is a little below 5 in floating point
    assert {Hyperband(min_resource=1).bracket(n, 0, 243) for n in range(400)} == set(range(6))
