"""The lab on a small gym and a tiny model: settled once, resumed, packed, and never done twice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from terminal import study_file

from mpt.compute.worker import Worker
from mpt.config import VOCABULARY
from mpt.errors import ConfigError, InputError, OutOfMemory, StoreError, UnknownName
from mpt.gym.source import open_gym
from mpt.lab.plan import VALIDATION, plan
from mpt.lab.promote import prepare, promote
from mpt.lab.retest import choose
from mpt.lab.run import BASELINE, EvalProtocol, EvalTarget, Lab, scores
from mpt.lab.sweep import sweep
from mpt.lab.trials import TrialRecord
from mpt.search.search import Search, Trial
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import read_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return read_study(study_file(tmp_path_factory.mktemp("study") / "study.yaml"), {})


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path / "home")}).open()


@dataclass(frozen=True)
class Swept:
    """A home in which the study was swept to its end."""

    root: Path
    trials: list[Trial]
    records: list[TrialRecord]
    units: set[str]

    def copy(self, folder) -> Home:
        """The home in another folder, to go on in."""
        return Home.find({"MPT_HOME": str(shutil.copytree(self.root, folder))})


@pytest.fixture(scope="module")
def swept(study, tmp_path_factory):
    home = Home.find({"MPT_HOME": str(tmp_path_factory.mktemp("swept") / "home")}).open()
    with Opened(study, home) as opened:
        trials = opened.sweep()
        units = {unit.digest for unit in opened.ledger.units()}
    return Swept(home.root, trials, opened.told, units)


@pytest.fixture
def swept_home(swept, tmp_path):
    return swept.copy(tmp_path / "swept")


class Opened:
    """A lab over a home, as a fresh process would open it."""

    def __init__(self, study, home):
        self.study, self.home = study, home
        self.worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
        self.told = []

    def __enter__(self):
        self.ledger = Ledger(self.home.ledger_url)
        self.lab = Lab(self.worker, self.ledger)
        return self

    def __exit__(self, *gone):
        self.ledger.close()

    def sweep(self):
        concrete = plan(self.study, self.worker)
        return sweep(concrete, self.lab, self.home, on_trial=self.told.append)


def test_a_sweep_ends_with_its_total_and_tells_every_trial_once(swept):
    trials, told = swept.trials, [record.trial.number for record in swept.records]
    assert [trial.number for trial in trials] == told == [0, 1, 2]
    for trial, record in zip(trials, swept.records, strict=True):
        assert trial.arg == pytest.approx(record.trial.arg)
        assert record.config.digest == trial.digest == record.unit.digest
        assert len(record.unit.curve) == 3
        assert (swept.root / record.unit.artefact).is_file()
        evaluated = {
            (j.eval_target.method, j.cell.task, j.cell.data_seed) for j in record.evaluated
        }
        methods = (BASELINE, trial.digest)
        expected = {(m, t, s) for m in methods for t in ("trec", "liar") for s in (13, 21)}
        assert evaluated == expected


def test_the_same_command_again_computes_nothing(study, swept, swept_home):
    with Opened(study, swept_home) as again:
        assert again.sweep() == swept.trials
        assert again.lab.computed == 0
        assert again.told == []


def test_a_larger_total_continues(study, swept, swept_home):
    longer = study.model_copy(update={"trials": 5})
    with Opened(longer, swept_home) as again:
        assert again.sweep()[:3] == swept.trials
        assert [record.trial.number for record in again.told] == [3, 4]


@pytest.mark.slow
def test_packs_that_do_not_fit_are_halved_with_the_same_results(study, swept, home, monkeypatch):
    tune, sizes = Worker.tune, []

    def narrow(worker, configs, on_step):
        sizes.append(len(configs))
        if len(configs) > 1:
            raise OutOfMemory(len(configs), "cpu", "no room")
        return tune(worker, configs, on_step)

    monkeypatch.setattr(Worker, "tune", narrow)
    with Opened(study, home) as opened:
        scarce = opened.sweep()
    assert max(sizes) == 4
    for one, two in zip(swept.trials, scarce, strict=True):
        assert two.digest == one.digest
        assert two.arg == pytest.approx(one.arg, abs=1e-6)


class Killed(Exception):
    """The driver dies here."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_driver_that_died_is_continued_to_the_same_end(study, swept, home, monkeypatch, moment):
    packs = []
    record = Ledger.record

    def dying(ledger, *units):
        if len(packs) == moment:
            raise Killed
        packs.append(units)
        return record(ledger, *units)

    monkeypatch.setattr(Ledger, "record", dying)
    with Opened(study, home) as opened, pytest.raises(Killed):
        opened.sweep()
    monkeypatch.setattr(Ledger, "record", record)
    with Opened(study, home) as opened:
        resumed = opened.sweep()
        again = {unit.digest for unit in opened.ledger.units()}
        assert opened.lab.computed == len(swept.units) - sum(map(len, packs))
    assert again == swept.units
    assert [(t.number, t.params, t.digest) for t in resumed] == [
        (t.number, t.params, t.digest) for t in swept.trials
    ]
    # packs are recorded whole, so that what is left is cut as it would have been: not a bit differs
    assert [t.arg for t in resumed] == [t.arg for t in swept.trials]


def test_units_of_other_threads_are_told_of_once(study, swept_home, monkeypatch):
    said = []
    more = study.model_copy(update={"trials": study.trials + 1})
    with Opened(more, swept_home) as opened:
        monkeypatch.setattr(opened.lab.progress, "say", said.append)
        opened.sweep()
    assert said == []
    way = {"device": "cpu", "threads": 64}
    monkeypatch.setattr("mpt.compute.worker.numerics", lambda device: way)
    more = study.model_copy(update={"trials": study.trials + 2})
    with Opened(more, swept_home) as opened:
        monkeypatch.setattr(opened.lab.progress, "say", said.append)
        opened.sweep()
    (line,) = said
    assert "threads 1 and 64" in line or "and 64" in line
    assert "OMP_NUM_THREADS=" in line


def test_a_diverged_trial_is_pruned_and_the_study_goes_on(study, home):
    wild = study.model_copy(
        update={
            "outer": study.outer.model_copy(update={"optimiser": "sgd"}),
            "space": study.space.model_copy(update={"outer_lr": (1e-3, 1e300)}),
            "sampler": "grid",
            "trials": 2,
        }
    )
    with Opened(wild, home) as opened:
        trials = opened.sweep()
    by_rate = {trial.params["outer_lr"]: trial for trial in trials}
    assert by_rate[1e-3].state == "complete"
    assert by_rate[1e300].state == "diverged"
    assert "diverged at step" in by_rate[1e300].reason


def test_promotion_judges_the_winner_and_a_second_one_computes_nothing(study, swept, swept_home):
    trials = swept.trials
    with Opened(study, swept_home) as opened:
        wanted, _ = prepare(study, trials, opened.lab)
        promotion = promote(wanted, opened.lab)
    assert promotion.computed > 0
    (meta_run,) = promotion.meta_runs
    assert meta_run.setting.targets == ("superglue-cb", "ethos-race")
    assert {j.cell.lr for j in meta_run.evaluated} == {0.5, 0.2}
    (gain,) = promotion.gains
    assert (gain.setting, gain.method, gain.baseline) == ("Cls->Cls", "fomaml", BASELINE)
    assert promotion.champion is meta_run
    with Opened(study, swept_home) as again:
        wanted, _ = prepare(study, trials, again.lab)
        second = promote(wanted, again.lab)
        assert again.lab.computed == 0
    assert second.computed == 0
    assert second.reused == promotion.computed + promotion.reused
    assert second.gains == promotion.gains


def test_forgetting_one_unit_computes_exactly_that_one(study, home):
    eval_protocol = EvalProtocol((13,), (0.3,), study.tuning)
    case = EvalTarget(VALIDATION, BASELINE, VOCABULARY, ("trec", "liar"))
    with Opened(study, home) as opened:
        first = opened.lab.evaluate_cells([case], eval_protocol, title="x", pack=4)
        opened.ledger.forget(first[0].unit.digest)
        second = opened.lab.evaluate_cells([case], eval_protocol, title="x", pack=4)
        assert opened.lab.computed == 3
    assert scores(first) == scores(second)


def test_packing_is_not_part_of_a_unit_s_identity(study, home, tmp_path):
    alone = study.model_copy(update={"pack": 1, "cells_per_pack": 1})
    other = Home.find({"MPT_HOME": str(tmp_path / "alone")}).open()
    found = []
    for chosen, where in ((study, home), (alone, other)):
        with Opened(chosen, where) as opened:
            opened.lab.evaluate_cells(
                [plan(chosen, opened.worker).baseline],
                plan(chosen, opened.worker).eval_protocol,
                title="x",
                pack=chosen.cells_per_pack,
            )
            found.append({u.digest: u.curve for u in opened.ledger.units()})
    assert found[0].keys() == found[1].keys()
    for digest, curve in found[0].items():
        assert curve == pytest.approx(found[1][digest], rel=1e-3)


def test_packs_are_as_large_as_the_device_has_room_for(study, home, monkeypatch):
    tune, sizes = Worker.tune, []

    def seen(worker, configs, on_step):
        sizes.append(len(configs))
        return tune(worker, configs, on_step)

    monkeypatch.setattr(Worker, "tune", seen)
    monkeypatch.setattr("mpt.compute.worker.cells_that_fit", lambda job, backbone: 3)
    with Opened(study.model_copy(update={"cells_per_pack": "auto"}), home) as opened:
        concrete = plan(opened.study, opened.worker)
        opened.lab.evaluate_cells(
            [concrete.baseline], concrete.eval_protocol, title="x", pack="auto"
        )
    assert sizes == [3, 1]


def test_packs_of_meta_trainings_are_as_large_as_the_device_has_room_for(study, home, monkeypatch):
    learn, sizes = Worker.learn, []

    def seen(worker, configs, on_step):
        sizes.append(len(configs))
        return learn(worker, configs, on_step)

    monkeypatch.setattr(Worker, "learn", seen)
    monkeypatch.setattr("mpt.compute.worker.runs_that_fit", lambda job, backbone, engine: 2)
    with Opened(study.model_copy(update={"pack": "auto"}), home) as opened:
        concrete = plan(opened.study, opened.worker)
        configs = [concrete.config({"outer_lr": rate}) for rate in (0.1, 0.2, 0.3)]
        opened.lab.learn(configs, "x", opened.study.pack)
    assert sizes == [2, 1]


def test_a_study_that_does_not_fit_its_gym_writes_nothing(study, tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "untouched")})
    worker = Worker(open_gym(study.gym), study.backbone, home, "cpu")
    wrong = {
        "validation": study.validation.model_copy(update={"tasks": ("trek",)}),
        "setting": "Cls->Clz",
        "sources": ("glue-mrpc", "liar"),
    }
    expected = {
        "validation": (UnknownName, "unknown task 'trek' - did you mean 'trec'"),
        "setting": (UnknownName, "unknown setting 'Cls->Clz' - did you mean"),
        "sources": (ConfigError, "liar among its sources and its targets"),
    }
    for key, value in wrong.items():
        changes = {key: value} if key != "setting" else {key: value, "sources": None}
        error, message = expected[key]
        with pytest.raises(error, match=message):
            plan(study.model_copy(update=changes), worker)
    assert not home.root.exists()


def test_another_definition_under_the_same_name_is_refused(study, swept_home):
    other = study.model_copy(update={"method": "mtl"})
    with (
        Opened(other, swept_home) as opened,
        pytest.raises(StoreError, match="method was fomaml, is mtl"),
    ):
        opened.sweep()


def test_choose_finds_the_best_and_explains_what_cannot_be_promoted(study, swept, swept_home):
    trials = swept.trials
    best = choose(trials, "best")
    assert best.arg == max(trial.arg for trial in trials)
    assert choose(trials, "1").number == 1
    with pytest.raises(InputError, match="no trial '9'; give 'best' or a number from 0 to 2"):
        choose(trials, "9")
    with pytest.raises(InputError, match="no completed trial"):
        choose([], "best")
    assert Search.latest(swept_home).study == study


def test_a_configuration_that_is_drawn_again_is_answered_from_the_ledger(study, home):
    few = study.model_copy(
        update={
            "space": study.space.model_copy(update={"outer_lr": (0.3, 0.6)}),
            "sampler": "random",
            "trials": 6,
        }
    )
    with Opened(few, home) as opened:
        trials = opened.sweep()
        assert opened.lab.computed == 4 + 2 * (1 + 4)  # baseline; two trainings and their cells
    by_rate: dict[float, set] = {}
    for trial in trials:
        by_rate.setdefault(trial.params["outer_lr"], set()).add((trial.digest, trial.arg))
    assert sorted(by_rate) == [0.3, 0.6]
    assert all(len(results) == 1 for results in by_rate.values())
