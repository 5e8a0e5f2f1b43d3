"""Signals and budgets: what finishes, what is saved, what the next call finds."""

from __future__ import annotations

import pickle
import signal
from contextlib import contextmanager

import pytest
from terminal import study_file

from mpt.compute import stopping as stops
from mpt.compute.progress import Silent
from mpt.compute.stopping import Stopped, Stopping
from mpt.compute.worker import Worker
from mpt.errors import OutOfMemory
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.lab.sweep import sweep
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import read_study

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def test_the_first_signal_lets_work_finish_and_the_second_ends_it(capfd):
    before = [signal.getsignal(number) for number in HANDLED]
    with Stopping() as stopping:
        assert not stopping.reason
        signal.raise_signal(signal.SIGTERM)
        assert stopping.reason == "SIGTERM"
        assert stopping.by_signal
        assert stopping.saves(), "who stops a process gently may kill it soon afterwards"
        stopping.leave()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert [signal.getsignal(number) for number in HANDLED] == before
    first, second = capfd.readouterr().err.splitlines()
    assert first == (
        "SIGTERM: the running pack is finished and recorded, then mpt stops; once more stops at "
        "once (what is recorded and checkpointed is kept)"
    )
    assert second == "SIGINT again: stopping at once"


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in HANDLED]
    with Stopping():
        assert [signal.getsignal(number) for number in HANDLED] != before
    assert [signal.getsignal(number) for number in HANDLED] == before


def test_a_checkpoint_is_asked_for_once_per_signal(capfd):
    with Stopping() as stopping:
        assert not stopping.saves()
        signal.raise_signal(signal.SIGUSR1)
        assert stopping.saves()
        assert not stopping.saves()
        assert not stopping.reason
    assert "write their checkpoints and continue" in capfd.readouterr().err


def test_a_spent_budget_saves_first_and_leaves_then(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(stops.time, "monotonic", lambda: now)
    stopping = pickle.loads(pickle.dumps(Stopping("1m")))
    assert not stopping.saves()
    now += 61
    # the time ran out between the two questions: nothing was saved at this step
    stopping.leave()
    assert stopping.saves()
    with pytest.raises(Stopped, match="the budget of 1m is spent"):
        stopping.leave()
    assert not stopping.by_signal


class AtStep(Silent):
    """Does something when the ``step``-th step of a stage is told of."""

    def __init__(self, stage, step, do):
        self.title, self.step, self.do = stage, step, do

    @contextmanager
    def stage(self, title, total):
        done = 0

        def advance(steps):
            nonlocal done
            before, done = done, done + steps
            if self.title in title and before < self.step <= done:
                self.do()

        yield advance


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    changes = {"outer": {"steps": 6, "episodes": 2, "batch": 2}}
    return read_study(study_file(tmp_path_factory.mktemp("stops") / "study.yaml", changes), {})


def run(study, home, stopping=None, progress=None):
    """Trials, digests of what the ledger holds, units computed; as a fresh process would."""
    worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
    worker.stopping = stopping or worker.stopping
    with Ledger(home.ledger_url) as ledger:
        lab = Lab(worker, ledger, progress=progress or Silent())
        trials = sweep(plan(study, worker), lab, home, on_trial=lambda record: None)
        return trials, {unit.digest: unit.curve for unit in ledger.units()}


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    home = Home.find({"MPT_HOME": str(tmp_path_factory.mktemp("undisturbed"))}).open()
    return run(study, home)


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path)}).open()


def checkpoints(home):
    return {path.stem for path in home.checkpoints.iterdir()}


def is_continued(study, home, undisturbed, recorded):
    trials, units = run(study, home)
    assert [(t.number, t.digest) for t in trials] == [(t.number, t.digest) for t in undisturbed[0]]
    assert [t.arg for t in trials] == pytest.approx([t.arg for t in undisturbed[0]], abs=1e-3)
    assert recorded.items() <= units.items()
    assert units.keys() == undisturbed[1].keys()
    for digest, curve in units.items():
        assert curve == pytest.approx(undisturbed[1][digest], rel=1e-3)
    assert checkpoints(home) == set()


def test_a_signal_lets_the_pack_finish_and_hands_its_trials_back(study, home, undisturbed, capfd):
    press = AtStep("trial 0-1: fomaml", 3, lambda: signal.raise_signal(signal.SIGINT))
    with Stopping() as stopping:
        trials, recorded = run(study, home, stopping, press)
    assert {trial.state for trial in trials} == {"waiting"}
    # the baseline's four cells and the two meta-trainings that were under way
    assert len(recorded) == 6
    capfd.readouterr()
    is_continued(study, home, undisturbed, recorded)


def test_a_pack_too_large_when_the_signal_came_is_not_lost(study, home, undisturbed, monkeypatch):
    learn = Worker.learn

    def narrow(worker, configs, on_step):
        if len(configs) > 1:
            signal.raise_signal(signal.SIGINT)
            raise OutOfMemory(len(configs), "cpu", "no room")
        return learn(worker, configs, on_step)

    with monkeypatch.context() as patch, Stopping() as stopping:
        patch.setattr(Worker, "learn", narrow)
        trials, recorded = run(study, home, stopping)
    assert {trial.state for trial in trials} == {"waiting"}
    assert len(recorded) == 4
    is_continued(study, home, undisturbed, recorded)


def test_a_signal_during_the_last_pack_leaves_a_whole_study(study, home, undisturbed):
    press = AtStep("trial 2: validation", 16, lambda: signal.raise_signal(signal.SIGINT))
    with Stopping() as stopping:
        trials, recorded = run(study, home, stopping, press)
    assert [trial.state for trial in trials] == ["complete"] * 3
    assert recorded.keys() == undisturbed[1].keys()


def test_a_spent_budget_leaves_a_meta_training_with_its_checkpoint(
    study, home, undisturbed, monkeypatch
):
    now = 1000.0
    monkeypatch.setattr(stops.time, "monotonic", lambda: now)

    def pass_time():
        nonlocal now
        now += 61

    stopping = Stopping("1m")
    trials, recorded = run(study, home, stopping, AtStep("trial 0-1: fomaml", 4, pass_time))
    assert {trial.state for trial in trials} == {"waiting"}
    assert len(recorded) == 4, "the baseline; the pack of two was left"
    saved = Worker(open_gym(study.gym), study.backbone, home).checkpoints
    found = [saved.read(name) for name in checkpoints(home)]
    # told of the second step, the time was over; the third one was saved and left
    assert [one.position for one in found if one] == [3, 3]
    is_continued(study, home, undisturbed, recorded)


def test_a_spent_budget_lets_cells_finish(study, home, undisturbed, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(stops.time, "monotonic", lambda: now)

    def pass_time():
        nonlocal now
        now += 61

    trials, recorded = run(study, home, Stopping("1m"), AtStep("plain", 2, pass_time))
    assert trials == []
    assert len(recorded) == 4
    is_continued(study, home, undisturbed, recorded)


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_a_wall_clock_that_is_set_spends_no_budget_and_gives_none(monkeypatch, jump):
    now, wall = 1000.0, stops.time.time()
    monkeypatch.setattr(stops.time, "monotonic", lambda: now)
    stopping = Stopping("1h")
    monkeypatch.setattr(stops.time, "time", lambda: wall + jump)
    now += 3599.0
    assert not stopping.reason
    assert not stopping.saves()
    now += 1.0
    assert stopping.reason == "the budget of 1h is spent"
    assert stopping.saves()


def test_another_machine_is_sent_what_is_left_of_a_budget(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(stops.time, "monotonic", lambda: now)
    stopping = Stopping("1m")
    now += 20.0
    sent = pickle.dumps(stopping)
    now = 5.0  # the other one was started a moment ago
    there = pickle.loads(sent)
    now += 39.0
    assert not there.reason
    now += 1.0
    assert there.reason
