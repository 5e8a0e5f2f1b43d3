"""What every fleet promises."""

from __future__ import annotations

import pytest

from mpt.lab.fleet import LocalFleet


@pytest.fixture(params=[LocalFleet])
def fleet(request):
    return request.param()


def test_every_pack_s_result_comes_back_once(fleet):
    assert sorted(fleet.map(sum, [[1, 2], [3], [4, 5, 6]])) == [3, 3, 15]


def test_no_packs_are_no_results(fleet):
    assert list(fleet.map(sum, [])) == []


def test_results_arrive_while_others_are_still_to_come(fleet):
    begun = []

    def job(pack):
        begun.append(pack)
        return len(pack)

    results = fleet.map(job, iter([[1], [2], [3]]))
    next(results)
    assert len(begun) < 3, "a result must be recordable before the last pack is begun"
    assert list(results) == [1, 1]


def test_a_failure_reaches_the_driver_and_earlier_results_are_kept(fleet):
    def job(pack):
        if pack == [2]:
            raise ValueError("broken row")
        return pack

    results = fleet.map(job, [[1], [2]])
    assert next(results) == [1]
    with pytest.raises(ValueError, match="broken row"):
        next(results)
