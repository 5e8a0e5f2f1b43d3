"""Errors by class: what shrinks, what fails and is seen to, what stops, and what is tried again."""

from __future__ import annotations

import errno

import pytest
import torch
from terminal import study_file

from mpt.compute.failures import Failure, error_class
from mpt.compute.progress import Silent
from mpt.compute.worker import Worker
from mpt.config import VOCABULARY
from mpt.engine.step import TuningStep
from mpt.errors import ConfigError, DataError, OutOfMemory, StoreError
from mpt.gym.source import open_gym
from mpt.lab.run import EvalProtocol, EvalTarget, Lab
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.error_policy import Errors
from mpt.study.study_file import make_study, read_study


class Cramped:
    """A backbone with room for so many prompts, and what it refused."""

    def __init__(self, backbone, room):
        self.backbone, self.room, self.refused = backbone, room, 0

    def __getattr__(self, name):
        found = getattr(self.backbone, name)
        if name not in (
            "losses",
            "losses_twice_differentiable",
            "teacher_forced_argmax",
            "generate",
        ):
            return found

        def cramped(theta, *rest, **named):
            if len(theta) > self.room:
                self.refused += 1
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return found(theta, *rest, **named)

        return cramped


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return read_study(study_file(tmp_path_factory.mktemp("failures") / "study.yaml"), {})


@pytest.fixture
def lab(study, tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    with Ledger(home.ledger_url) as ledger:
        yield Lab(
            Worker(open_gym(study.gym), study.backbone, home, "cpu"), ledger, progress=Heard()
        )


def cells(lab, study, start=VOCABULARY):
    eval_protocol = EvalProtocol((13, 21), (0.3,), study.tuning)
    return lab.cells(EvalTarget("x", "x", start, ("trec", "liar")), eval_protocol)


def test_a_pack_that_does_not_fit_is_halved_until_it_does(lab, study, tmp_path):
    plenty = lab.tune(cells(lab, study), "x", 4)
    other = Home.find({"MPT_HOME": str(tmp_path / "other")}).open()
    with Ledger(other.ledger_url) as ledger:
        scarce = Lab(Worker(lab.worker.gym, study.backbone, other, "cpu"), ledger, progress=Heard())
        cramped = Cramped(lab.worker.backbone, 1)
        vars(scarce.worker)["backbone"] = cramped
        found = scarce.tune(cells(lab, study), "x", 4)
    assert cramped.refused
    assert scarce.progress.lines[:2] == [
        "warning: out of memory with 4 runs; trying 2",
        "warning: out of memory with 2 runs; trying 1",
    ]
    assert found.keys() == plenty.keys()
    for digest, unit in found.items():
        assert unit.state == "done"
        wanted = plenty[digest].result
        assert unit.result.curve == pytest.approx(wanted.curve, abs=1e-6)
        scored = (unit.result.dev, unit.result.test)
        assert scored == pytest.approx((wanted.dev, wanted.test), abs=1e-6)


def test_what_does_not_fit_even_alone_fails_with_advice_and_is_tried_again(lab, study):
    roomy, wanted = lab.worker.backbone, cells(lab, study)
    vars(lab.worker)["backbone"] = Cramped(roomy, 0)
    failed = lab.tune(wanted, "x", 4)
    assert {unit.state for unit in failed.values()} == {"failed"}
    assert lab.computed == 0
    for unit in failed.values():
        assert (unit.result.error, unit.result.step) == ("out_of_memory", 1)
        assert "give a smaller pack, shorter max_input" in unit.reason
        assert lab.ledger.get(unit.digest) == unit
    assert lab.progress.lines[-1].startswith("warning: a run failed, the others continue: out of ")
    vars(lab.worker)["backbone"] = roomy
    assert {unit.state for unit in lab.tune(wanted, "x", 4).values()} == {"done"}
    assert lab.computed == 4


def test_a_pack_that_does_not_fit_stops_where_the_table_says_so(lab, study):
    lab.errors = Errors(out_of_memory="stop")
    vars(lab.worker)["backbone"] = Cramped(lab.worker.backbone, 3)
    with pytest.raises(OutOfMemory, match="with 4 runs in a pack"):
        lab.tune(cells(lab, study), "x", 4)
    assert len(list(lab.ledger.units(state="failed"))) == 4


def poison(monkeypatch, task, at):
    """A defect that one task's rows bring out at a step."""
    step = TuningStep.__call__

    def faulty(self, state):
        tasks = {self.jobs[run].config.task for run in state.runs}
        if task in tasks and state.position[0] == at - 1:
            raise ZeroDivisionError("no rows")
        return step(self, state)

    monkeypatch.setattr(TuningStep, "__call__", faulty)


def test_a_code_error_stops_and_is_on_record(lab, study, monkeypatch):
    with monkeypatch.context() as patch:
        poison(patch, "trec", 3)
        with pytest.raises(ZeroDivisionError, match="no rows"):
            lab.tune(cells(lab, study), "x", 4)
    units = list(lab.ledger.units())
    assert len(units) == 4
    for unit in units:
        assert (unit.state, unit.result.error, unit.result.step) == ("failed", "code", 3)
        assert unit.reason == "ZeroDivisionError: no rows"
    # mended, the same command goes on
    assert {unit.state for unit in lab.tune(cells(lab, study), "x", 4).values()} == {"done"}


def test_a_code_error_fails_only_what_caused_it_where_the_table_says_so(lab, study, monkeypatch):
    lab.errors = Errors(code="fail")
    poison(monkeypatch, "trec", 2)
    found = lab.tune(cells(lab, study), "x", 4)
    states = {(unit.config.task, unit.config.data_seed): unit.state for unit in found.values()}
    assert states == {
        ("trec", 13): "failed",
        ("trec", 21): "failed",
        ("liar", 13): "done",
        ("liar", 21): "done",
    }
    assert "warning: code error with 4 runs; trying 2" in lab.progress.lines


@pytest.mark.parametrize("choice", ["stop", "fail"])
def test_a_prompt_that_cannot_be_read_is_a_data_error(lab, study, choice):
    lab.errors = Errors(data=choice)
    wanted = cells(lab, study, start="0" * 12)
    if choice == "stop":
        with pytest.raises(DataError, match=r"prompt file .* is missing"):
            lab.tune(wanted, "x", 2)
    else:
        lab.tune(wanted, "x", 2)
    units = list(lab.ledger.units())
    assert len(units) == (2 if choice == "stop" else 4)
    assert {(unit.state, unit.result.error) for unit in units} == {("failed", "data")}


def test_a_store_that_does_not_answer_is_no_failure_of_a_unit(lab, study, monkeypatch):
    lab.errors = Errors(code="fail", data="fail")

    def full(worker, configs, on_step):
        raise StoreError("the prompt cannot be written (No space left on device)")

    monkeypatch.setattr(Worker, "tune", full)
    with pytest.raises(StoreError, match="No space left"):
        lab.tune(cells(lab, study), "x", 4)
    assert list(lab.ledger.units()) == []


def test_memory_that_runs_out_anywhere_is_known_as_such(lab, study, monkeypatch):
    tune, sizes = Worker.tune, []

    def narrow(worker, configs, on_step):
        sizes.append(len(configs))
        if len(configs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return tune(worker, configs, on_step)

    monkeypatch.setattr(Worker, "tune", narrow)
    lab.tune(cells(lab, study), "x", 4)
    assert sizes == [4, 2, 2, 1, 1, 1, 1]


def test_the_table_is_strict():
    assert make_study({"errors": {"code": "fail"}}).errors == Errors(code="fail")
    wrong = {
        "an unknown class": ({"outofmemory": "stop"}, "did you mean 'out_of_memory'"),
        "an unknown choice": ({"diverged": "prun"}, "did you mean 'prune'"),
        "a choice of another class": ({"killed": "shrink"}, "'resume' or 'fail'"),
        "tracking": ({"tracker": "stop"}, "unknown key 'errors.tracker'"),
    }
    for given, message in wrong.values():
        with pytest.raises(ConfigError, match=message):
            make_study({"errors": given})


def test_the_table_is_no_part_of_what_a_study_is():
    assert make_study({"errors": {"code": "fail"}}).definition == make_study({}).definition


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"), "out_of_memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (OutOfMemory(2, "cpu", "x"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `x`"), "code"),
        (OSError(errno.EIO, "Input/output error"), "code"),
        (DataError("row 3"), "data"),
    ],
    ids=repr,
)
def test_errors_are_classed_by_what_they_say(error, kind):
    assert error_class(error) == kind
    assert Failure([], error).kind == kind
