"""A study is its content: where gym and backbone lie, and how that is spelled, changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from terminal import mpt, study_file, world

from mpt.config import LOCAL
from mpt.search.search import Search
from mpt.store.home import Home
from mpt.store.ledger import Ledger
from mpt.study.places import absolute
from mpt.study.study_file import read_study

pytestmark = pytest.mark.slow

BACKBONE = {"name": "./model", "prompt_tokens": 3, "max_input": 16, "max_target": 4}
SMALL = {"gym": "gym", "backbone": BACKBONE, "trials": 1, "outer": {"steps": 1, "episodes": 1}}
SPELLED = {
    "dot": ("./gym", "model/."),
    "slash": ("gym/", "model/"),
    "up": ("gym/../gym", "gym/../model"),
    "absolute": ("{here}/gym", "{here}/model"),
    "tilde": ("~/gym", "~/model"),
    "link": ("link", "model-link"),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a gym, a model, links to both, and a study that was swept from there."""
    place = tmp_path_factory.mktemp("places")
    shutil.copytree(world().gym, place / "gym")
    shutil.copytree(world().backbone, place / "model")
    (place / "link").symlink_to(place / "gym")
    (place / "model-link").symlink_to(place / "model")
    study_file(place / "s.yaml", SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        said = mpt("sweep", "--study", "s.yaml", home=place / "home")
    assert said.code == 0, said.err
    return place


@pytest.mark.parametrize(
    "spelled",
    [
        *("dot", "absolute", "link"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("slash", "up", "tilde")),
    ],
)
def test_another_spelling_is_the_same_study_and_computes_nothing(spelled, begun, monkeypatch):
    monkeypatch.chdir(begun)
    monkeypatch.setenv("HOME", str(begun))
    gym, model = (one.format(here=begun) for one in SPELLED[spelled])
    words = ("sweep", "--study", "s.yaml", "--gym", gym, "--backbone", model)
    said = mpt(*words, home=begun / "home")
    assert said.code == 0, said.err
    assert said.err.startswith("nothing to compute: all ")


def test_folders_are_kept_absolute_and_units_know_a_model_by_its_weights(begun):
    home = Home.find({"MPT_HOME": str(begun / "home")})
    study = Search.load(home, "small").study
    assert Path(study.gym).is_absolute()
    assert Path(study.backbone.name).is_absolute()
    with Ledger(home.ledger_url) as ledger:
        for unit in ledger.units():
            assert unit.config.backbone.name == LOCAL
            assert Path(unit.config.place).samefile(begun / "model")


def test_commands_find_the_study_s_folders_from_elsewhere(begun, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = begun / "home"
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        (digest,) = (unit.digest for unit in ledger.units("meta"))
    assert mpt("promote", "best", "--dry-run", home=home).code == 0
    assert mpt("report", "--study", "small", "--out", "page", home=home).code == 0
    assert mpt("show", digest, home=home).code == 0
    assert mpt("predict", digest, "the cat", home=home).code == 0
    again = mpt("sweep", "--study", begun / "s.yaml", home=home)
    # what the file says relative is meant where the command is run
    assert again.code == 2
    assert "unknown gym 'gym'" in again.error
    placed = ("--gym", begun / "gym", "--backbone", begun / "model")
    assert mpt("sweep", "--study", begun / "s.yaml", *placed, home=home).code == 0


def test_a_moved_gym_and_model_are_the_same_study_once_their_place_is_said(begun, tmp_path):
    for one in ("home", "gym", "model"):
        shutil.copytree(begun / one, tmp_path / one)
    home, gym = tmp_path / "home", tmp_path / "gym"
    study = study_file(tmp_path / "s.yaml", {**SMALL, "gym": str(gym)})
    words = ("sweep", "--study", study, "--backbone", tmp_path / "model")
    assert mpt(*words, home=home).err.startswith("nothing to compute")
    gym.rename(tmp_path / "data")
    lost = mpt("promote", "best", "--dry-run", home=home)
    assert lost.code == 2
    assert f"the gym of study 'small', {gym}, is not there" in lost.error
    assert "`--name small --gym FOLDER`" in lost.error
    cure = (*words, "--name", "small", "--gym", tmp_path / "data")
    assert mpt(*cure, home=home).err.startswith("nothing to compute")
    assert mpt("promote", "best", "--dry-run", home=home).code == 0


def test_a_gym_whose_rows_changed_is_not_the_study_that_was_begun(begun, tmp_path):
    for one in ("home", "gym", "model"):
        shutil.copytree(begun / one, tmp_path / one)
    home, gym = tmp_path / "home", tmp_path / "gym"
    placed = ("--gym", gym, "--backbone", tmp_path / "model")
    words = ("sweep", "--study", begun / "s.yaml", *placed)
    assert mpt(*words, home=home).code == 0
    (file,) = (gym / "glue-mrpc").glob("*_13_train.tsv")
    whole = file.read_text()
    first, rest = whole.split("\n", 1)
    file.write_text(f"another {first}\n{rest}")
    refused = mpt(*words, home=home)
    assert refused.code == 2
    assert f"(rows of the source tasks in gym {gym})" in refused.error
    assert "data was " in refused.error
    # both cures: another name, and what it was begun with
    assert mpt(*words, "--name", "other", home=home).code == 0
    file.write_text(whole)
    assert mpt(*words, home=home).err.startswith("nothing to compute")


def test_units_of_earlier_versions_stay_under_the_name_that_they_were_given(tmp_path, monkeypatch):
    """They called a model by its path as it was spelled, and so do those that come after."""
    shutil.copytree(world().backbone, tmp_path / "model")
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    study = study_file(tmp_path / "s.yaml", {**SMALL, "gym": str(world().gym), "name": "old"})
    with monkeypatch.context() as before:
        before.setattr("mpt.compute.worker.LOCAL", "./model")
        assert mpt("sweep", "--study", study, home=home).code == 0
    again = mpt("sweep", "--study", study, "--backbone", tmp_path / "model", home=home)
    assert again.err.startswith("nothing to compute")
    # two names in one ledger: each study keeps its own
    with monkeypatch.context() as before:
        before.setattr("mpt.compute.worker.LOCAL", "model")
        before.setattr("mpt.compute.worker.Worker.names_of", lambda *_: [])
        assert "13 units" not in mpt("sweep", "--study", study, "--name", "b", home=home).err
    with sqlite3.connect(home / "studies.db") as store:
        store.execute(
            "UPDATE study_user_attributes SET value_json = '\"model\"' WHERE key = 'mpt.backbone' "
            "AND study_id = (SELECT study_id FROM studies WHERE study_name = 'b')"
        )
        store.execute(
            "UPDATE study_user_attributes SET value_json = '\"./model\"' WHERE key = 'mpt.backbone'"
            " AND study_id = (SELECT study_id FROM studies WHERE study_name = 'old')"
        )
    store.close()
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        (weights,) = {unit.config.weights for unit in ledger.units()}
        assert sorted(ledger.backbone_names(weights)) == ["./model", "model"]
    for name in ("old", "b"):
        said = mpt("sweep", "--study", study, "--name", name, home=home)
        assert said.err.startswith("nothing to compute")


def test_tilde_is_the_home_folder_wherever_a_path_is_taken(begun, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(begun))
    monkeypatch.chdir(tmp_path)
    partitions = "settings: {Own: {sources: [glue-mrpc], targets: [trec]}}\nvalidation: [liar]\n"
    (begun / "own.yaml").write_text(partitions)
    study = study_file(
        begun / "tilde.yaml", {**SMALL, "gym": "~/gym", "partitions": "~/own.yaml", "setting": None}
    )
    assert read_study(study, {}).gym == str(begun / "gym")
    words = ("sweep", "--study=~/s.yaml", "--gym=~/gym", "--backbone=~/model")
    stores = {
        "MPT_LEDGER_URL": "sqlite:///~/home/ledger.db",
        "MPT_STUDIES_URL": "sqlite:///~/home/studies.db",
        "MPT_TRACKING_URI": "sqlite:///~/home/mlflow.db",
    }
    said = mpt(*words, home=Path("~/home"), **stores)
    assert said.err.startswith("nothing to compute"), said.err
    assert mpt("gym", "show", "trec", "--gym=~/gym", home=begun / "home").code == 0
    assert mpt("report", "--study", "small", "--out=~/page", home=begun / "home").code == 0
    assert (begun / "page").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mini", "google/t5-small", "", "nowhere", "~nobody-here/x", "\0"])
def test_what_is_no_file_here_keeps_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").mkdir()
    assert absolute(name) == name


def test_a_name_that_is_a_folder_here_is_that_folder(tmp_path, monkeypatch):
    (tmp_path / "google" / "t5").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert absolute("google/t5") == str(tmp_path / "google" / "t5")
    assert absolute("google/../google") == str(tmp_path / "google")
