"""What every sampler keeps to: its trials are a function of the study and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from math import log

import pytest

from mpt.search.patient_storage import PatientStorage
from mpt.search.search import Search
from mpt.search.trial import Trial
from mpt.store.home import Home
from mpt.study.samplers import SAMPLERS
from mpt.study.study_file import make_study

LISTS = {"inner_lr": [0.1, 0.3, 1.0], "outer_lr": [0.1, 0.2, 0.4, 0.8], "outer_steps": [10, 20]}
RANGES = {"inner_lr": {"low": 0.1, "high": 1.0}, "outer_lr": {"low": 0.1, "high": 0.8}}
NAMES = count()


class Killed(Exception):
    """The driver dies here."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store for many studies: making it takes longer than a search."""
    return Home.find({"MPT_HOME": str(tmp_path_factory.mktemp("home"))}).open()


@pytest.fixture(params=SAMPLERS, scope="module")
def study(request):
    exhausts = SAMPLERS[request.param].exhausts
    space = LISTS if exhausts else {**RANGES, "outer_steps": [10, 20]}
    return make_study({"sampler": request.param, "space": space, "trials": 9})


def named(study):
    """The same study under a name that is not taken."""
    return study.model_copy(update={"name": f"s{next(NAMES)}"})


def result(trial):
    """A trial's result as a function of its parameters; one in five diverges."""
    arg = -abs(log(trial.params["outer_lr"] / 0.3)) - abs(log(trial.params["inner_lr"] / 0.5))
    good = Trial(trial.number, {}, "complete", "d", arg, arg - 1, arg + 1)
    return good if trial.number % 5 != 3 else replace(good, state="diverged", reason="NaN", step=2)


def searched(study, home, *, pack=4, stops=False):
    """Every trial's parameters, told ``pack`` at a time, perhaps by a new driver each time."""
    search = Search.begin(study, study.definition, home)
    while asked := search.ask(study):
        for trial in asked[:pack]:
            search.tell(trial, result(trial))
        if stops:
            search = Search.begin(study, study.definition, home)
    return [dict(trial.params) for trial in search.trials]


@pytest.fixture(scope="module")
def whole(study, home):
    """The study's trials when nothing happens."""
    return searched(named(study), home)


def test_the_total_is_the_study_s_and_every_point_lies_in_the_space(whole):
    assert len(whole) == 9
    for params in whole:
        assert list(params) == ["inner_lr", "outer_lr", "outer_steps"]
        assert 0.1 <= params["inner_lr"] <= 1.0
        assert 0.1 <= params["outer_lr"] <= 0.8
        assert params["outer_steps"] in (10, 20)


def test_no_point_is_drawn_twice_and_resuming_draws_new_ones(study, whole, home):
    assert len({tuple(params.values()) for params in whole}) == 9
    assert searched(named(study), home, stops=True) == whole


@pytest.mark.parametrize("pack", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_trials_are_the_same_however_they_are_packed(study, whole, home, pack):
    assert searched(named(study), home, pack=pack) == whole


def test_a_total_reached_in_two_goes_is_the_same_as_in_one(study, whole, home):
    longer = named(study)
    assert searched(longer.model_copy(update={"trials": 6}), home) == whole[:6]
    assert searched(longer, home) == whole


@pytest.mark.parametrize(
    "writes", [1, *(pytest.param(at, marks=pytest.mark.slow) for at in (3, 7))]
)
def test_a_driver_that_dies_while_it_draws_changes_nothing(study, whole, home, monkeypatch, writes):
    here, done = named(study), count(1)
    write = PatientStorage.create_new_trial

    def dying(*args):
        if next(done) == writes:
            raise Killed
        return write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(PatientStorage, "create_new_trial", dying)
        with pytest.raises(Killed):
            searched(here, home)
    assert searched(here, home) == whole


def test_another_seed_is_another_search(study, whole, home):
    assert searched(named(study.model_copy(update={"seed": 1})), home) != whole


def test_a_trial_that_failed_is_made_up_for_by_the_next_run(study, home):
    here = named(study)
    search = Search.begin(here, here.definition, home)
    failed = Trial(1, {}, "failed", "d", reason="the disk was full")
    while asked := search.ask(here):
        for trial in asked:
            search.tell(trial, failed if trial.number in (1, 8) else result(trial))
    assert [t.number for t in search.trials if t.state == "failed"] == [1, 8]
    assert len(search.trials) == 9, "not tried again by the run in which it failed"
    searched(here, home)
    trials = Search.load(home, here.title).trials
    assert len(trials) == 11
    finished = [tuple(t.params.values()) for t in trials if t.state != "failed"]
    assert len(set(finished)) == 9
