"""What every fleet promises."""

from __future__ import annotations

from functools import partial

import pytest
from jobs import fail_at, total

from mpt.compute.device_fleet import DeviceFleet
from mpt.compute.fleet import LocalFleet
from mpt.errors import Diverged, UnknownName


@pytest.fixture(scope="module")
def device_fleet():
    """A fleet of two processes on this machine."""
    with DeviceFleet(["cpu", "cpu"], print) as fleet:
        yield fleet


FLEETS = ["local", *(pytest.param(name, marks=pytest.mark.slow) for name in ("device", "ray"))]


@pytest.fixture(params=FLEETS)
def fleet(request):
    """Each of the fleets."""
    name = request.param
    return LocalFleet() if name == "local" else request.getfixturevalue(f"{name}_fleet")


def ignore(steps):
    """Nobody listens."""


def test_every_pack_s_result_comes_back_once(fleet):
    assert sorted(fleet.map(total, [[1, 2], [3], [4, 5, 6]], ignore)) == [3, 3, 15]


def test_no_packs_are_no_results(fleet):
    assert list(fleet.map(total, [], ignore)) == []


def test_it_has_at_least_one_slot(fleet):
    assert fleet.slots >= 1


def test_steps_are_told_by_the_time_a_result_is_there(fleet):
    told = []
    for result in fleet.map(total, [[1, 1], [1, 1]], told.append):
        assert sum(told) >= result
    assert sum(told) == 4


def test_packs_are_taken_when_there_is_a_slot(fleet):
    taken = []

    def packs():
        for pack in range(3 * fleet.slots):
            taken.append(pack)
            yield [pack]

    results = fleet.map(total, packs(), ignore)
    next(results)
    assert len(taken) <= fleet.slots, "a result must be recordable before the last pack is begun"
    assert len(list(results)) == 3 * fleet.slots - 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("broken row"),
        Diverged("a1", 3, "loss"),
        UnknownName("task", "trek", ["trec"], "See `mpt gym list`."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_reaches_the_driver_as_it_was_raised(fleet, error):
    results = fleet.map(partial(fail_at, 2, error), [[1], [2]], ignore)
    with pytest.raises(type(error)) as failure:
        list(results)
    assert type(failure.value) is type(error)
    assert str(failure.value) == str(error)
    assert vars(failure.value) == vars(error)
