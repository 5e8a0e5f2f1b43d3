"""A worker that is sent to another process or machine: what it takes along, what it must find."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from terminal import study_file, world

from mpt.compute import remote_worker as elsewhere
from mpt.compute.worker import Worker, _opened
from mpt.errors import DataError, StoreError
from mpt.gym.source import open_gym
from mpt.lab.plan import plan
from mpt.lab.run import Lab
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.study_file import resolve

SECRET = "pl4nted"


@pytest.fixture
def study(tmp_path):
    return resolve(study_file(tmp_path / "study.yaml"), {})


@pytest.fixture
def worker(study, tmp_path):
    stores = {"MPT_LEDGER_URL": f"postgresql+psycopg://mpt:{SECRET}@127.0.0.1/ledger"}
    home = Home.find({"MPT_HOME": str(tmp_path / "home"), **stores}).open()
    return Worker(open_gym(study.gym), study.backbone, home, "cpu")


@pytest.fixture(autouse=True)
def fresh_process():
    """As if nothing had been sent here before."""
    _opened.cache_clear()


def test_it_arrives_once_and_takes_no_password_along(worker):
    sent = pickle.dumps(worker)
    assert SECRET.encode() not in sent
    arrived = pickle.loads(sent)
    assert arrived is pickle.loads(sent)
    assert arrived.backbone.weights == worker.backbone.weights
    assert arrived.split_digest("trec", 13) == worker.split_digest("trec", 13)
    assert arrived.home.prompts == worker.home.prompts
    assert SECRET not in repr(arrived.home)


def test_paths_are_read_from_where_the_command_was_typed(worker, study, tmp_path, monkeypatch):
    folder = world().gym.parent
    monkeypatch.chdir(folder)
    sent = pickle.dumps(replace(worker, gym=open_gym(world().gym.name)))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(sent).gym.tasks == worker.gym.tasks
    assert Path.cwd() == folder


def test_a_home_that_is_not_there_is_told(worker):
    sent = pickle.dumps(worker)
    shutil.rmtree(worker.home.root)
    with pytest.raises(StoreError, match=r"home folder .* is not there on .*; set MPT_HOME"):
        pickle.loads(sent)


def test_other_rows_or_weights_are_refused(worker, study, tmp_path):
    # the ledger is asked by which name it knows the backbone
    worker = replace(worker, home=Home.find({"MPT_HOME": str(tmp_path)}))
    concrete = plan(study, worker)
    (cell, *_) = Lab(worker, None).cells(concrete.baseline, concrete.eval_protocol)
    run = concrete.config({"outer_lr": 0.3})
    for config in (run, cell):
        elsewhere.expect_inputs(worker, config)
        for key, what in (("data", "rows in gym"), ("weights", "weights of")):
            other = config.model_copy(update={key: "0123456789ab"})
            with pytest.raises(DataError, match=f"the {what} .* but the driver's are 01234567"):
                elsewhere.expect_inputs(worker, other)


class Elsewhere:
    """A fleet whose machines keep what they write."""

    slots = 1

    def map(self, job, packs, on_step):
        for pack in packs:
            units = job(pack, on_step)
            for unit in units:
                (self.root / unit.artefact).unlink()
            yield units


def test_a_unit_whose_prompt_stayed_elsewhere_is_not_recorded(study, tmp_path):
    home = Home.find({"MPT_HOME": str(tmp_path / "home")}).open()
    worker, fleet = Worker(open_gym(study.gym), study.backbone, home, "cpu"), Elsewhere()
    fleet.root = home.root
    concrete = plan(study, worker)
    with Ledger(home.ledger_url) as ledger:
        lab = Lab(worker, ledger, fleet)
        with pytest.raises(StoreError, match="set MPT_HOME to a folder that all machines share"):
            lab.evaluate_cells([concrete.baseline], concrete.eval_protocol, title="x", pack=4)
        assert list(ledger.units()) == []
